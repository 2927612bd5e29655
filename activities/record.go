package activities

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// maxMetaBytes bounds __info and __meta in memory; a unit of 20,000 tablets has some 4 MB of each.
const maxMetaBytes = 512 << 20

// Recorded sums up the native snapshot of one unit.
type Recorded struct {
	Label      string `json:"label"`
	Objects    int64  `json:"objects"`
	Bytes      int64  `json:"bytes"`
	Tablets    int64  `json:"tablets"`
	Partitions int64  `json:"partitions"`
	// Warnings name what was asked for and could not be had, although the snapshot is whole.
	Warnings []string `json:"warnings,omitempty"`
}

// Record checks the native snapshot that a finished BACKUP left (rule 13) and writes down what is in it: the object
// lists and, last, snapshot.json. What is written down stands: restore points name it by its digest, and a worker that was
// taken for dead may come late. A snapshot that is not what its __info says fails with JobFailed, naming the partitions.
func (a *Activities) Record(ctx context.Context, u UnitRef) (Recorded, error) {
	defer keepAlive(ctx)()
	w, err := a.resolve(ctx, u)
	if err != nil {
		return Recorded{}, failure(ctx, err)
	}
	recorded, err := (&recorder{work: w, bytes: map[int64]int64{}}).once(ctx)
	if err != nil {
		err = fmt.Errorf("record snapshot %s of database %s: %w", w.Label, w.Database, err)
	}
	return recorded, failure(ctx, err)
}

type recorder struct {
	*work
	info    *starrocks.Info
	infoKey string
	metaKey string
	lists   []restorepoint.ObjectList
	bytes   map[int64]int64 // by physical partition

	warnings []string
}

// once records unless that is done.
func (r *recorder) once(ctx context.Context) (Recorded, error) {
	earlier, _, err := readRecord(ctx, r.repository.Store, r.Cluster, r.Label)
	if err == nil {
		return r.sum(earlier), nil
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return Recorded{}, err
	}
	recorded, err := r.record(ctx)
	if !errors.Is(err, storage.ErrExists) {
		return recorded, err
	}
	if earlier, _, err = readRecord(ctx, r.repository.Store, r.Cluster, r.Label); err != nil {
		return Recorded{}, err
	}
	return r.sum(earlier), nil
}

// record fails with ErrExists if another attempt was first.
func (r *recorder) record(ctx context.Context) (Recorded, error) {
	if err := r.readInfo(ctx); err != nil {
		return Recorded{}, err
	}
	var asked error
	found, err := restorepoint.CheckSnapshot(r.snapshot(), r.info, r.listed(ctx), r.askOurs(ctx, &asked))
	if err = errors.Join(err, asked); err != nil {
		return Recorded{}, err
	}
	if !found.OK() {
		return Recorded{}, r.damaged(found)
	}
	record, err := r.describe(ctx)
	if err != nil {
		return Recorded{}, err
	}
	data, err := restorepoint.EncodeSnapshotRecord(record)
	if err != nil {
		return Recorded{}, err
	}
	if err := storage.WriteAll(ctx, r.repository.Store, restorepoint.SnapshotKey(r.Cluster, r.Label), data, storage.IfAbsent); err != nil {
		return Recorded{}, err
	}
	return r.sum(record), nil
}

// readInfo finds the one __info that StarRocks wrote and reads it, checked against the MD5 in its name.
func (r *recorder) readInfo(ctx context.Context) error {
	keys, err := r.infoKeys(ctx)
	if err != nil {
		return err
	}
	if len(keys) != 1 {
		return jobFailed(UnitFailure{Transient: true, Reason: fmt.Sprintf("the finished snapshot has %d __info files", len(keys))},
			"StarRocks says FINISHED, but below %s there are %d __info files, want 1: %s", r.snapshot().Prefix(), len(keys), strings.Join(keys, ", "))
	}
	raw, err := readChecked(ctx, r.repository.Store, keys[0])
	if err != nil {
		return err
	}
	r.infoKey = keys[0]
	if r.info, err = starrocks.ParseInfo(raw); err != nil {
		return fmt.Errorf("%s: %w", keys[0], err)
	}
	return nil
}

// infoKeys lists the __info files of the snapshot but for those that starkeep wrote.
func (r *recorder) infoKeys(ctx context.Context) ([]string, error) {
	var keys []string
	for o, err := range r.repository.Store.List(ctx, r.snapshot().InfoPrefix("")) {
		if err != nil {
			return nil, err
		}
		if k, err := starrocks.ParseKey(o.Key); err != nil || k.Kind != starrocks.KeyInfo {
			continue
		}
		ours, err := r.isOurs(ctx, o.Key)
		if err != nil {
			return nil, err
		}
		if !ours {
			keys = append(keys, o.Key)
		}
	}
	return keys, nil
}

// isOurs tells whether starkeep wrote an __info. One that is gone was: nobody else removes any, and another restore of
// the same snapshot tidies up at any time. A store that does not answer is an error, not an answer.
func (w *work) isOurs(ctx context.Context, infoKey string) (bool, error) {
	raw, err := readChecked(ctx, w.repository.Store, infoKey)
	var damaged *Failure
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return true, nil
	case errors.As(err, &damaged):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read %s: %w", infoKey, err)
	}
	info, err := starrocks.ParseInfo(raw)
	return err == nil && strings.HasPrefix(info.Name, BesidePrefix), nil
}

// askOurs is isOurs for checks that take no error; failed keeps the first.
func (w *work) askOurs(ctx context.Context, failed *error) func(infoKey string) bool {
	return func(infoKey string) bool {
		ours, err := w.isOurs(ctx, infoKey)
		if err != nil && *failed == nil {
			*failed = err
		}
		return ours
	}
}

// readChecked reads __info or __meta and compares it with the MD5 in its name.
func readChecked(ctx context.Context, store storage.Store, key string) ([]byte, error) {
	raw, err := storage.ReadAll(ctx, store, key, maxMetaBytes)
	if err != nil {
		return nil, err
	}
	k, err := starrocks.ParseKey(key)
	if err != nil {
		return nil, err
	}
	if sum := md5.Sum(raw); hex.EncodeToString(sum[:]) != k.MD5 {
		return nil, fail(spec.ErrorChecksumMismatch, "%s is damaged: its content has another MD5 than its name says", key)
	}
	return raw, nil
}

// listed yields the snapshot's objects and writes them into object lists on the way.
func (r *recorder) listed(ctx context.Context) iter.Seq2[restorepoint.Object, error] {
	return func(yield func(restorepoint.Object, error) bool) {
		lists := &listWriter{key: func(n int) string { return restorepoint.ObjectsKey(r.Cluster, r.Label, n) }, store: r.storeList}
		for o, err := range objectsBelow(ctx, r.repository.Store, r.snapshot().Prefix()) {
			if err == nil {
				err = lists.write(ctx, o)
			}
			if !yield(o, err) || err != nil {
				return
			}
			r.note(o)
		}
		if err := lists.close(ctx); err != nil {
			yield(restorepoint.Object{}, err)
		}
	}
}

// objectsBelow lists objects with the MD5 that StarRocks puts into their names.
func objectsBelow(ctx context.Context, store storage.Store, prefix string) iter.Seq2[restorepoint.Object, error] {
	return func(yield func(restorepoint.Object, error) bool) {
		n := 0
		for o, err := range store.List(ctx, prefix) {
			object := restorepoint.Object{Key: o.Key, Size: o.Size}
			if k, bad := starrocks.ParseKey(o.Key); bad == nil {
				object.MD5 = k.MD5
			}
			if n++; n%10000 == 0 {
				activity.RecordHeartbeat(ctx, fmt.Sprintf("%d objects listed", n))
			}
			if !yield(object, err) || err != nil {
				return
			}
		}
	}
}

func (r *recorder) note(o restorepoint.Object) {
	k, err := starrocks.ParseKey(o.Key)
	if err != nil {
		return
	}
	switch k.Kind {
	case starrocks.KeyMeta:
		r.metaKey = o.Key
	case starrocks.KeyTabletFile:
		r.bytes[k.Tablet.Partition] += o.Size
	}
}

// listWriter hands over object lists of at most MaxListObjects lines; one packed list is in memory at a time.
type listWriter struct {
	key    func(n int) string // of the nth list, from 1
	store  func(ctx context.Context, list restorepoint.ObjectList, packed []byte) error
	n      int
	buffer bytes.Buffer
	writer *restorepoint.ListWriter
}

func (l *listWriter) write(ctx context.Context, o restorepoint.Object) (err error) {
	if l.writer == nil {
		l.buffer.Reset()
		l.n++
		if l.writer, err = restorepoint.NewListWriter(&l.buffer, l.key(l.n)); err != nil {
			return err
		}
	}
	if err = l.writer.Write(o); !errors.Is(err, restorepoint.ErrListFull) {
		return err
	}
	if err = l.close(ctx); err != nil {
		return err
	}
	return l.write(ctx, o)
}

func (l *listWriter) close(ctx context.Context) error {
	if l.writer == nil {
		return nil
	}
	list, err := l.writer.Close()
	if err != nil {
		return err
	}
	l.writer = nil
	return l.store(ctx, list, l.buffer.Bytes())
}

// storeList writes a list unless it is there. Another one is replaced only while there is no record, which would name it.
func (r *recorder) storeList(ctx context.Context, list restorepoint.ObjectList, packed []byte) error {
	r.lists = append(r.lists, list)
	store := r.repository.Store
	err := storage.WriteAll(ctx, store, list.Key, packed, storage.IfAbsent)
	if !errors.Is(err, storage.ErrExists) {
		return err
	}
	there, err := storage.ReadAll(ctx, store, list.Key, maxVerifyList)
	if err != nil || restorepoint.Digest(there) == list.SHA256 {
		return err
	}
	_, err = store.Stat(ctx, restorepoint.SnapshotKey(r.Cluster, r.Label))
	if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	return storage.WriteAll(ctx, store, list.Key, packed, storage.Overwrite)
}

// damaged turns findings into the unit's failure, with the partitions concerned as culprits.
func (r *recorder) damaged(found *restorepoint.Findings) error {
	culprits := map[int]bool{}
	r.eachPart(func(i int, p restorepoint.Part, _ PlanTable) {
		if slices.Contains(found.Places, restorepoint.Place{Table: p.Table, Partition: p.Partition}) {
			culprits[i] = true
		}
	})
	f := UnitFailure{Reason: found.String(), Culprits: sorted(culprits), State: string(starrocks.StateFinished)}
	return jobFailed(f, "StarRocks says FINISHED, but the snapshot is not whole: %s", found)
}

// describe makes the record of the snapshot: the planned tables with the partitions and versions that __info names.
func (r *recorder) describe(ctx context.Context) (restorepoint.SnapshotRecord, error) {
	leader, err := r.cluster.FE.Leader(ctx)
	if err != nil {
		return restorepoint.SnapshotRecord{}, err
	}
	k, err := starrocks.ParseKey(r.infoKey)
	if err != nil {
		return restorepoint.SnapshotRecord{}, err
	}
	record := restorepoint.SnapshotRecord{
		Label: r.Label, Database: r.Database, DatabaseID: r.info.DatabaseID, Timestamp: k.Timestamp,
		Cluster:    restorepoint.Cluster{Name: r.Cluster, ID: leader.ClusterID, Version: leader.Version},
		Repository: restorepoint.Repository{Name: r.repository.Name, NativeName: r.repository.Native, Location: r.repository.Location},
		InfoKey:    r.infoKey, MetaKey: r.metaKey, CreatedAt: time.Now().UTC().Truncate(time.Second), ConsistentAt: r.info.BackupTime,
		Lists: r.lists,
	}
	meta, err := r.meta(ctx)
	if err != nil {
		return record, err
	}
	for i := 0; i < len(r.parts); {
		first := i
		for i < len(r.parts) && r.parts[i].Table == r.parts[first].Table {
			i++
		}
		t, err := r.table(ctx, r.parts[first:i], meta)
		if err != nil {
			return record, err
		}
		record.Tables = append(record.Tables, t)
	}
	restorepoint.SortTables(record.Tables)
	return record, nil
}

// meta reads __meta for the tables' schemas; nil where it is of the old binary form.
func (r *recorder) meta(ctx context.Context) (*starrocks.Meta, error) {
	raw, err := readChecked(ctx, r.repository.Store, r.metaKey)
	if err != nil {
		return nil, err
	}
	meta, err := starrocks.ParseMeta(raw)
	if errors.Is(err, starrocks.ErrMetaNotJSON) {
		return nil, nil
	}
	return meta, err
}

// table describes one table of the unit. Rows are counted, and count only if the version was the snapshot's before and
// after: the catalog's own row counts lag behind by minutes.
func (r *recorder) table(ctx context.Context, parts []restorepoint.Part, meta *starrocks.Meta) (restorepoint.Table, error) {
	planned, _ := r.plan.table(parts[0])
	t := planned.Table
	in, ok := r.info.Table(t.Name)
	if !ok {
		return t, jobFailed(UnitFailure{Reason: "the finished snapshot lacks table " + t.Name}, "the finished snapshot lacks table %s", t.Name)
	}
	t.ID = in.ID
	if meta != nil {
		schema, err := restorepoint.SchemaOf(meta.Tables[t.Name])
		if err != nil {
			return t, fmt.Errorf("schema of table %s: %w", t.Name, err)
		}
		t.Schema, t.Indexes = schema, restorepoint.IndexesOf(meta.Tables[t.Name])
	}
	visible := visibleTimes(meta, t.Name)
	rows := r.countRows(ctx, in)
	prints := r.fingerprints(ctx, in, &t)
	for _, p := range in.Partitions {
		partition := restorepoint.Partition{Name: p.Name, ID: p.ID}
		for _, part := range parts {
			if part.Partition == p.Name {
				partition.Replication, partition.Rows, partition.Value = part.Replication, part.Rows, part.Value
			}
		}
		for _, ph := range p.Physical {
			partition.Physical = append(partition.Physical, restorepoint.Physical{ID: ph.ID, Version: ph.Version, VisibleAt: visible[ph.ID]})
			partition.Bytes += r.bytes[ph.ID]
			for _, x := range ph.Indexes {
				partition.Tablets += len(x.Tablets)
			}
		}
		if n, exact := rows[p.Name]; exact {
			partition.Rows, partition.RowsExact = n, true
		}
		partition.Fingerprint = prints[p.Name]
		t.Partitions = append(t.Partitions, partition)
	}
	return t, nil
}

// visibleTimes says when the saved versions became visible, in seconds, by physical partition.
func visibleTimes(meta *starrocks.Meta, table string) map[int64]int64 {
	if meta == nil {
		return nil
	}
	times := map[int64]int64{}
	for _, p := range meta.Tables[table].Partitions {
		for _, ph := range p.Physical {
			times[ph.ID] = ph.VisibleTime / 1000
		}
	}
	return times
}

func (r *recorder) sum(record restorepoint.SnapshotRecord) Recorded {
	out := Recorded{Label: r.Label, Warnings: r.warnings}
	for _, l := range record.Lists {
		out.Objects += l.Objects
		out.Bytes += l.Bytes
	}
	for _, t := range record.Tables {
		out.Partitions += int64(len(t.Partitions))
		for _, p := range t.Partitions {
			out.Tablets += int64(p.Tablets)
		}
	}
	return out
}
