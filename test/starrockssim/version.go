package starrockssim

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

// What is measured is 3.5. The other profiles (2.5, 3.1, 3.3, 4.1) differ from it by source, not measured: by
// starrocks-facts §10 and the sections it names. Every difference is in this file, or asks older, newer here.

// older says whether the cluster's version is before major.minor. A build from main is newer than all.
func (c *Cluster) older(major, minor int) bool {
	var have [2]int
	if n, _ := fmt.Sscanf(c.opt.Version, "%d.%d", &have[0], &have[1]); n < 2 {
		return false
	}
	return have[0] < major || have[0] == major && have[1] < minor
}

// newer says whether the version is major.minor or later; the default, which was measured, counts as 3.5.
func (c *Cluster) newer(major, minor int) bool {
	return !c.older(major, minor) && strings.Contains(c.opt.Version, ".")
}

// grammar refuses what the version's parser does not know: storage volumes came with 3.1; kinds, ALL, DATABASE … AS and external catalogs in BACKUP and
// RESTORE came with 3.4 (by source, not measured).
func (c *Cluster) grammar(st sqlparse.Statement) error {
	if show, ok := st.(*sqlparse.ShowSimple); ok && show.What == sqlparse.ShowStorageVolumes && c.older(3, 1) {
		return plainError("Getting syntax error at line 1, column 5. Detail message: No viable statement for input 'SHOW STORAGE'.")
	}
	if !c.older(3, 4) {
		return nil
	}
	var objects []sqlparse.Object
	unknown := false
	switch st := st.(type) {
	case *sqlparse.Backup:
		objects, unknown = st.Objects, st.AllCatalogs || len(st.Catalogs) > 0
	case *sqlparse.Restore:
		objects, unknown = st.Objects, st.AllCatalogs || len(st.Catalogs) > 0 || st.Source != ""
	}
	words := strings.Fields(strings.ToUpper(st.Text()))
	unknown = unknown || len(words) > 1 && (words[0] == "BACKUP" || words[0] == "RESTORE") && words[1] == "DATABASE" ||
		slices.ContainsFunc(objects, func(o sqlparse.Object) bool { return o.All || o.Kind != sqlparse.AnyObject })
	if !unknown {
		return nil
	}
	return plainError("Getting syntax error at line 1, column 0. Detail message: Unexpected input '%s', the most similar input is {'SNAPSHOT', 'PARTITION', ',', ')'}.", words[1])
}

// wireError gives an error the code of the version: before 3.5 unknown databases and tables had MySQL's (starrocks-facts
// §1.6; by source, not measured).
func (c *Cluster) wireError(err error) error {
	var e *sqlError
	if !c.older(3, 5) || !errors.As(err, &e) {
		return err
	}
	switch e.code {
	case 5501:
		return &sqlError{1049, "42000", e.text}
	case 5502:
		return &sqlError{1051, "42S02", e.text}
	case 5203:
		return &sqlError{1227, "42000", e.text}
	}
	return err
}

// hasSystemTable says whether the version has a table of information_schema or sys (starrocks-facts §8.1, §10.1; those
// of sys by the documents of 3.2; by source, not measured).
func (c *Cluster) hasSystemTable(database, name string) error {
	switch {
	case strings.EqualFold(database, "sys") && c.older(3, 0):
		return unknownDatabase("sys")
	case strings.EqualFold(database, "sys") && c.older(3, 2),
		strings.EqualFold(name, "partitions_meta") && c.older(3, 3):
		return &sqlError{5502, "42602", fmt.Sprintf("Getting analyzing error. Detail message: Unknown table '%s.%s'.", database, name)}
	}
	return nil
}

// Columns that older versions have not (starrocks-facts §8; by source, not measured).
func (c *Cluster) shownColumns(r *mysqlwire.Result, missing map[string]bool) *mysqlwire.Result {
	var keep []int
	out := &mysqlwire.Result{}
	for i, col := range r.Columns {
		if !missing[col.Name] {
			keep, out.Columns = append(keep, i), append(out.Columns, col)
		}
	}
	out.Rows = func(yield func([]mysqlwire.Value, error) bool) {
		for row, err := range r.Rows {
			var cut []mysqlwire.Value
			for _, i := range keep {
				if err == nil {
					cut = append(cut, row[i])
				}
			}
			if !yield(cut, err) {
				return
			}
		}
	}
	return out
}

// missingColumns are those that the answer to a statement has not in this version.
func (c *Cluster) missingColumns(st sqlparse.Statement) map[string]bool {
	missing := map[string]bool{}
	add := func(names string) {
		for _, name := range words(names) {
			missing[name] = true
		}
	}
	switch st := st.(type) {
	case *sqlparse.ShowPartitions:
		if c.older(3, 4) {
			add("StorageSize DataVersion VersionEpoch VersionTxnType")
		}
	case *sqlparse.ShowSimple:
		if st.What == sqlparse.ShowFrontends && c.older(3, 3) {
			add("Id")
		}
		if st.What == sqlparse.ShowBackends && c.older(3, 3) {
			add("MemLimit DataCacheMetrics Location StatusCode")
		}
	case *sqlparse.ShowMaterializedViews:
		if c.older(3, 3) {
			add("extra_message query_rewrite_status creator last_refresh_process_time last_refresh_job_id")
		}
	}
	return missing
}

// coveredKinds are the kinds of objects that a BACKUP of a whole database takes along: async materialized views since
// 3.2, views since 3.4 (by source, not measured).
func (c *Cluster) coveredKinds() []string {
	kinds := []string{kindTable}
	if !c.older(3, 2) {
		kinds = append(kinds, kindMV)
	}
	if !c.older(3, 4) {
		kinds = append(kinds, kindView)
	}
	return kinds
}

// checkVersion refuses objects that the version cannot back up: LIST partitions before 3.2 (fixed in 3.2.12), materialized
// views before 3.2, views before 3.4 (starrocks-facts §10.1; by source, not measured).
func (c *Cluster) checkVersion(t *table) error {
	if !slices.Contains(c.coveredKinds(), t.kind) {
		return ddlError("Table: %s can not support backup restore, type: %s", t.name, strings.ReplaceAll(t.kind, " ", "_"))
	}
	if t.part.kind == byList && c.older(3, 2) {
		return ddlError("List partition table does not support backup/restore job")
	}
	return nil
}

// physicalID is the id of a new partition's physical one: before 3.4 they are the same.
func (c *Cluster) physicalID(p *partition) int64 {
	if c.older(3, 4) {
		return p.id
	}
	return c.nextID()
}

// oldInfo brings __info into the form of before 3.4, where the indexes are in the partition itself, and before 3.2 with
// the names of the files (starrocks-facts §5.4; by source, not measured).
func (c *Cluster) oldInfo(info *infoFile, files func(tablet int64) []string) {
	if !c.older(3, 4) {
		return
	}
	for _, t := range info.Objects {
		for name, p := range t.Partitions {
			for _, sub := range p.Sub {
				p.ID, p.Indexes = sub.ID, sub.Indexes
			}
			p.Sub = nil
			if !c.older(3, 2) {
				p.Sub = map[string]infoPhysical{}
			} else {
				for _, idx := range p.Indexes {
					for _, id := range idx.tablets() {
						idx.Tablets[fmt.Sprint(id)] = files(id)
					}
				}
			}
			t.Partitions[name] = p
		}
	}
}

// binaryMeta begins a __meta of before 3.1: a Java stream whose layout nothing here needs, so that what follows stands
// for it. It is no JSON, which is all that a reader sees of it.
var binaryMeta = []byte{0, 0, 0, 1, 0, 0, 0, 4, 'O', 'L', 'A', 'P'}

// encodeMeta is __meta in the version's form: JSON since 3.1 (starrocks-facts §5.5; by source, not measured).
func (c *Cluster) encodeMeta(m *metaFile) []byte {
	text := m.encode()
	if !c.older(3, 1) {
		return text
	}
	var b bytes.Buffer
	b.Write(binaryMeta)
	w := zlib.NewWriter(&b)
	w.Write(text)
	w.Close()
	return b.Bytes()
}

// readBinaryMeta is the JSON form of a __meta; every version reads what older ones wrote.
func readBinaryMeta(b []byte) []byte {
	rest, ok := bytes.CutPrefix(b, binaryMeta)
	if !ok {
		return b
	}
	r, err := zlib.NewReader(bytes.NewReader(rest))
	if err != nil {
		return b
	}
	text, err := io.ReadAll(r)
	if err != nil || len(text) < 4 || int(binary.BigEndian.Uint32(text)) != len(text)-4 {
		return b
	}
	return text
}

// byName says whether grants belong to a name, as before 3.0, instead of to an object: whatever has the name has the
// grant (by source, not measured).
func (c *Cluster) byName() bool { return c.older(3, 0) }

// followName moves the grants on tables to those that have the names now.
func (c *Cluster) followName(db *database, tables ...*table) {
	if !c.byName() {
		return
	}
	for i, g := range c.grants {
		for _, t := range tables {
			if g.tableName == db.name+"."+t.name {
				c.grants[i].db, c.grants[i].table = db.id, t.id
			}
		}
	}
}

// chooseReplica picks the replica that is backed up: the first that has the version. Whether its backend lives is looked
// at since 4.0 only (starrocks-facts §10.1; by source, not measured).
func (c *Cluster) chooseReplica(tab *tablet, version int64) int {
	return slices.IndexFunc(tab.replicas, func(r *replica) bool {
		return r.version >= version && (!c.newer(4, 0) || c.backend(r.backend).aliveNow())
	})
}

// restoredData is the DataVersion of an overwritten partition: its own, and since 4.0 the snapshot's (starrocks-facts
// §10.1; by source, not measured).
func (c *Cluster) restoredData(p *partition, snapshot int64) int64 {
	if c.newer(4, 0) {
		return snapshot
	}
	return p.data
}
