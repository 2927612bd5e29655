package starrockssim

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// segment is the rows of one rowset in one tablet: the content of a .dat file.
type segment struct {
	rows  [][]string
	bytes []byte
}

func newSegment(rows [][]string) *segment {
	if len(rows) == 0 {
		return nil
	}
	return &segment{rows: rows, bytes: encodeRows(rows)}
}

func encodeRows(rows [][]string) []byte {
	out := []byte("SRSIM1\n")
	for _, row := range rows {
		out = binary.AppendUvarint(out, uint64(len(row)))
		for _, v := range row {
			out = binary.AppendUvarint(out, uint64(len(v)))
			out = append(out, v...)
		}
	}
	return out
}

var errSegment = errors.New("bad segment file")

func decodeRows(b []byte) ([][]string, error) {
	if len(b) < 7 || string(b[:7]) != "SRSIM1\n" {
		return nil, errSegment
	}
	b = b[7:]
	number := func() (int, bool) {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > 1<<30 {
			return 0, false
		}
		b = b[n:]
		return int(v), true
	}
	var rows [][]string
	for len(b) > 0 {
		cells, ok := number()
		if !ok || cells > len(b) {
			return nil, errSegment
		}
		row := make([]string, cells)
		for i := range row {
			n, ok := number()
			if !ok || n > len(b) {
				return nil, errSegment
			}
			row[i], b = string(b[:n]), b[n:]
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// header is the content of <tablet>.hdr and of a primary key tablet's meta.
type header struct {
	Tablet     int64       `json:"tablet_id"`
	SchemaHash int64       `json:"schema_hash"`
	Version    int64       `json:"version"`
	Taken      string      `json:"taken"` // makes every header different, as in StarRocks
	Rowsets    []headerSet `json:"rowsets"`
}

type headerSet struct {
	ID       string `json:"rowset_id"`
	From     int64  `json:"start_version"`
	To       int64  `json:"end_version"`
	Segments int    `json:"num_segments"`
	Rows     int    `json:"num_rows"`
}

// makeSnapshot is MAKE_SNAPSHOT of a backup: the files of one tablet at one version.
func (be *backend) makeSnapshot(id, version, timeout int64) (*snapshotDir, *taskFailure) {
	t := be.tablets[id]
	if t == nil {
		return nil, failTask("make_snapshot failed. status: Runtime error: tablet not found")
	}
	set, fail := t.capture(version)
	if fail != nil {
		return nil, fail
	}
	dir := be.snapshotDir(id, t.hash, timeout)
	dir.version = version
	h := header{Tablet: id, SchemaHash: t.hash, Version: version, Taken: time.Now().UTC().Format(time.RFC3339Nano)}
	for _, rs := range set {
		hs := headerSet{ID: rs.id, From: rs.from, To: rs.to}
		if rs.segment != nil {
			hs.Segments, hs.Rows = 1, len(rs.segment.rows)
			dir.files[rs.id+"_0.dat"] = rs.segment.bytes
		}
		h.Rowsets = append(h.Rowsets, hs)
	}
	text, _ := json.Marshal(h)
	if t.primary {
		dir.files["meta"] = text
		return dir, nil
	}
	dir.files[fmt.Sprint(id, ".hdr")] = text
	dir.files[fmt.Sprint(id, ".dcgs_snapshot")] = nil
	return dir, nil
}

// capture finds the rowsets [0..version].
func (t *beTablet) capture(version int64) ([]rowset, *taskFailure) {
	if t.version() < version {
		return nil, failTask("make_snapshot failed. status: Not found: version not found. tablet_id: %d, version: %d tablet_max_version:%d", t.id, version, t.version())
	}
	for i, rs := range t.rowsets {
		if rs.to == version {
			return t.rowsets[:i+1], nil
		}
	}
	if t.primary {
		return nil, failTask("make_snapshot failed. status: Not found: get_applied_rowsets(version %d) failed tablet:%d #version:%d [%d %d]", version, t.id, len(t.rowsets), t.rowsets[0].from, t.version())
	}
	f := failTask("make_snapshot failed. status: Version already merged: capture_consistent_versions error: version already been compacted. tablet_id: %d, version: %d tablet_max_version:%d", t.id, version, t.version())
	f.merged = true
	return nil, f
}

func (be *backend) snapshotDir(tablet, hash, timeout int64) *snapshotDir {
	be.sequence++
	dir := &snapshotDir{tablet: tablet, hash: hash, files: map[string][]byte{},
		path: fmt.Sprintf("/data/be%d/snapshot/%s.%d.%d/%d/%d", be.id-10000, time.Now().UTC().Format("20060102150405"), be.sequence, timeout, tablet, hash)}
	be.snapshots[dir.path] = dir
	return dir
}

func (d *snapshotDir) names() []string {
	names := make([]string, 0, len(d.files))
	for name := range d.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// move is MOVE: the snapshot directory's data takes the tablet's place, under new rowset ids.
func (be *backend) move(path string, id int64) *taskFailure {
	where := fmt.Sprintf("Fail to move dir=%s tablet id=%d", path, id)
	t := be.tablets[id]
	if t == nil {
		return failTasks("failed to get tablet. tablet_id="+fmt.Sprint(id), where)
	}
	dir := be.snapshots[path]
	if dir == nil {
		return failTasks("snapshot path does not exist: "+path, where)
	}
	name := fmt.Sprint(id, ".hdr")
	if t.primary {
		name = "meta"
	}
	text, ok := dir.files[name]
	if !ok {
		return failTasks("fail to find header or meta file", where)
	}
	var h header
	if json.Unmarshal(text, &h) != nil {
		return failTasks("fail to load cloned header file: "+path+"/"+name, where)
	}
	rowsets, fail := be.loadRowsets(dir, h, where)
	if fail != nil {
		return fail
	}
	t.rowsets = rowsets
	if t.primary {
		delete(be.snapshots, path)
	}
	return nil
}

func (be *backend) loadRowsets(dir *snapshotDir, h header, where string) ([]rowset, *taskFailure) {
	var list []rowset
	for _, hs := range h.Rowsets {
		rs := rowset{id: be.rowsetID(), from: hs.From, to: hs.To}
		if hs.Segments > 0 {
			name := hs.ID + "_0.dat"
			b, ok := dir.files[name]
			if !ok {
				return nil, failTasks(dir.path+"/"+name+": No such file or directory", where)
			}
			rows, err := decodeRows(b)
			if err != nil {
				return nil, failTasks(dir.path+"/"+name+": Bad segment file", where)
			}
			rs.segment = &segment{rows: rows, bytes: b}
		}
		list = append(list, rs)
	}
	if len(list) == 0 {
		list = []rowset{{id: be.rowsetID(), to: h.Version}}
	}
	return list, nil
}

// Compact merges all versions of a table's tablets into one on every backend: a snapshot of an earlier version can no
// longer be made ("version already merged").
func (c *Cluster) Compact(db, table string) error {
	c.mu.Lock()
	defer c.unlock()
	t, err := c.findTable(db, table)
	if err != nil {
		return err
	}
	eachTablet(t.partitions, func(_ *partition, tab *tablet) {
		for _, r := range tab.replicas {
			be := c.backend(r.backend)
			bt := be.tablets[tab.id]
			if bt == nil {
				continue
			}
			var rows [][]string
			for _, rs := range bt.rowsets {
				if rs.segment != nil {
					rows = append(rows, rs.segment.rows...)
				}
			}
			bt.rowsets = []rowset{{id: be.rowsetID(), from: 0, to: bt.version(), segment: newSegment(rows)}}
		}
	})
	return nil
}

func failTask(format string, args ...any) *taskFailure {
	return &taskFailure{messages: []string{fmt.Sprintf(format, args...)}}
}

func failTasks(messages ...string) *taskFailure { return &taskFailure{messages: messages} }

// text is how TaskErrMsg lists one task's messages.
func (f *taskFailure) text() string { return strings.Join(f.messages, ",") }
