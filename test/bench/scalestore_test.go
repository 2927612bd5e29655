package bench

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/test/testbed"
)

// scaleShape is a restore point of many tablets: tables of partitions with buckets tablets each, backed up in units of the
// default size.
type scaleShape struct {
	Tables, Partitions, Buckets int
}

const (
	scaleDatabase = "big"
	scaleRun      = "scale"
	scaleUnit     = 20_000 // tablets: the default maxTabletsPerUnit
	// objectsPerTablet: a header and a segment.
	objectsPerTablet = 2
)

func (s scaleShape) tablets() int   { return s.Tables * s.Partitions * s.Buckets }
func (s scaleShape) snapshots() int { return (s.tablets() + scaleUnit - 1) / scaleUnit }

// partitionsOf are the partitions, counted over all tables, that a unit holds.
func (s scaleShape) partitionsOf(unit int) (from, to int) {
	each := scaleUnit / s.Buckets
	return unit * each, min((unit+1)*each, s.Tables*s.Partitions)
}

func (s scaleShape) at(unit int) starrocks.Snapshot {
	return starrocks.Snapshot{Repository: testbed.RepositoryName, Label: restorepoint.Label(scaleDatabase, scaleRun, unit, 1)}
}

// Ids of one length: their order as text is that of the numbers.
const (
	firstTable, firstIndex         = 1_000_000, 2_000_000
	firstPartition, firstPhysical  = 3_000_000_000, 4_000_000_000
	firstTablet                    = 50_000_000_000
	scaleDatabaseID                = 10_001
	scaleHeaderSize, scaleDataSize = 1_400, 64 << 10
)

func (s scaleShape) infoKey(unit int) string {
	return s.at(unit).InfoKey(starrocks.Timestamp(scaleTime), fmt.Append(nil, unit))
}
func (s scaleShape) metaKey(unit int) string { return s.at(unit).MetaKey(fmt.Append(nil, unit)) }

// scaleTime is when the native snapshots were taken.
var scaleTime = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// objects are what StarRocks leaves of one unit, in the order of keys.
func (s scaleShape) objects(unit int) iter.Seq[storage.Object] {
	return func(yield func(storage.Object) bool) {
		object := func(key string, size int64) bool {
			return yield(storage.Object{Key: key, Size: size, Modified: scaleTime})
		}
		if !object(s.infoKey(unit), 4<<20) || !object(s.metaKey(unit), 1<<20) {
			return
		}
		at := s.at(unit)
		from, to := s.partitionsOf(unit)
		for n := from; n < to; n++ {
			table := int64(n / s.Partitions)
			for b := range s.Buckets {
				tablet := int64(firstTablet + n*s.Buckets + b)
				dir := at.TabletDir(starrocks.TabletPath{Database: scaleDatabaseID, Table: firstTable + table, Partition: firstPhysical + int64(n), Index: firstIndex + table, Tablet: tablet})
				if !object(fmt.Sprintf("%s%048x_0.dat.%032x", dir, tablet, tablet), scaleDataSize) || !object(fmt.Sprintf("%s%d.hdr.%032x", dir, tablet, tablet+1), scaleHeaderSize) {
					return
				}
			}
		}
	}
}

// scaleStore holds starkeep's own files as files, and StarRocks' objects not at all: they are made while they are listed, and
// of what is deleted the number is kept. Millions of real objects would measure the disk.
type scaleStore struct {
	storage.Store
	shape scaleShape

	mu      sync.Mutex
	units   map[string]int // by label
	deleted map[string]int // objects from the first one, by label
}

func openScaleStore(ctx context.Context, dir string, shape scaleShape) (*scaleStore, error) {
	own, err := storage.Open(ctx, storage.Config{Location: "file://" + dir})
	s := &scaleStore{Store: own, shape: shape, units: map[string]int{}, deleted: map[string]int{}}
	for unit := range shape.snapshots() {
		s.units[shape.at(unit).Label] = unit
	}
	return s, err
}

const scaleNative = "__starrocks_repository_" + testbed.RepositoryName + "/"

// labelOf is the native snapshot that a key, or a prefix of keys, is of; "" if it is none of ours.
func (s *scaleStore) labelOf(key string) string {
	label, _, _ := strings.Cut(strings.TrimPrefix(key, scaleNative+"__ss_"), "/")
	if _, known := s.units[label]; !known {
		return ""
	}
	return label
}

func (s *scaleStore) List(ctx context.Context, prefix string) iter.Seq2[storage.Object, error] {
	if !strings.HasPrefix(prefix, scaleNative) {
		return s.Store.List(ctx, prefix)
	}
	return func(yield func(storage.Object, error) bool) {
		label := s.labelOf(prefix)
		if label == "" {
			yield(storage.Object{}, fmt.Errorf("%q was listed: no benchmark asks for that", prefix))
			return
		}
		s.mu.Lock()
		gone := s.deleted[label]
		s.mu.Unlock()
		for o := range s.shape.objects(s.units[label]) {
			if gone--; gone >= 0 {
				continue
			}
			if !strings.HasPrefix(o.Key, prefix) {
				if o.Key > prefix {
					return
				}
				continue
			}
			if !yield(o, ctx.Err()) {
				return
			}
		}
	}
}

func (s *scaleStore) Directories(ctx context.Context, prefix string) iter.Seq2[string, error] {
	if !strings.HasPrefix(prefix, scaleNative) {
		return storage.Directories(ctx, s.Store, prefix)
	}
	return func(yield func(string, error) bool) {
		for label := range s.units {
			s.mu.Lock()
			gone := s.deleted[label]
			s.mu.Unlock()
			dir := scaleNative + "__ss_" + label
			if gone < s.shape.number(s.units[label]) && strings.HasPrefix(dir, prefix) && !yield(dir, nil) {
				return
			}
		}
	}
}

// number is how many objects a unit has.
func (s scaleShape) number(unit int) int {
	from, to := s.partitionsOf(unit)
	return 2 + (to-from)*s.Buckets*objectsPerTablet
}

// Delete takes objects of a native snapshot only in their order: what is deleted is then told by a number.
func (s *scaleStore) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 || !strings.HasPrefix(keys[0], scaleNative) {
		return s.Store.Delete(ctx, keys...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		label := s.labelOf(key)
		if label == "" {
			return fmt.Errorf("%q was deleted: no benchmark asks for that", key)
		}
		s.deleted[label]++
	}
	return nil
}

// left is how many of StarRocks' objects are left.
func (s *scaleStore) left() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for label, unit := range s.units {
		n += s.shape.number(unit) - s.deleted[label]
	}
	return n
}

// record makes what Record writes down about one unit, object lists first.
func (s *scaleStore) record(ctx context.Context, unit int) error {
	shape, at := s.shape, s.shape.at(unit)
	r := restorepoint.SnapshotRecord{
		Label: at.Label, Database: scaleDatabase, DatabaseID: scaleDatabaseID, Timestamp: starrocks.Timestamp(scaleTime),
		Cluster:    restorepoint.Cluster{Name: testbed.ClusterName, ID: 1, Version: "4.0.0"},
		Repository: restorepoint.Repository{Name: testbed.RepositoryName, NativeName: testbed.RepositoryName, Location: "s3://scale"},
		InfoKey:    shape.infoKey(unit), MetaKey: shape.metaKey(unit), CreatedAt: scaleTime, ConsistentAt: scaleTime,
	}
	var buffer bytes.Buffer
	key := restorepoint.ObjectsKey(testbed.ClusterName, at.Label, 1)
	list, err := restorepoint.NewListWriter(&buffer, key)
	if err != nil {
		return err
	}
	for o := range shape.objects(unit) {
		if err := list.Write(restorepoint.Object{Key: o.Key, Size: o.Size, MD5: md5OfName(o.Key)}); err != nil {
			return err
		}
	}
	written, err := list.Close()
	if err != nil {
		return err
	}
	r.Lists = append(r.Lists, written)
	from, to := shape.partitionsOf(unit)
	for n := from; n < to; n++ {
		if last := len(r.Tables) - 1; last < 0 || r.Tables[last].ID != shape.table(n).ID {
			r.Tables = append(r.Tables, shape.table(n))
		}
		t := &r.Tables[len(r.Tables)-1]
		t.Partitions = append(t.Partitions, restorepoint.Partition{Name: partitionName(n), ID: firstPartition + int64(n), Value: partitionValue(n), Replication: 3,
			Physical: []restorepoint.Physical{{ID: firstPhysical + int64(n), Version: 7, VisibleAt: scaleTime.Unix()}}, Rows: 1000, RowsExact: true,
			Bytes: int64(shape.Buckets) * (scaleHeaderSize + scaleDataSize), Tablets: shape.Buckets})
	}
	data, err := restorepoint.EncodeSnapshotRecord(r)
	if err != nil {
		return err
	}
	if err := storage.WriteAll(ctx, s.Store, key, buffer.Bytes(), storage.Overwrite); err != nil {
		return err
	}
	return storage.WriteAll(ctx, s.Store, restorepoint.SnapshotKey(testbed.ClusterName, at.Label), data, storage.Overwrite)
}

func partitionName(n int) string { return fmt.Sprintf("p%s_%06d", scaleTime.Format("20060102"), n) }

func partitionValue(n int) string {
	return fmt.Sprintf("[types: [DATE, BIGINT]; keys: [2026-11-01, %d]; ..types: [DATE, BIGINT]; keys: [2026-11-01, %d]; )", n, n+1)
}

// table is the definition of the table that a partition is of.
func (s scaleShape) table(partition int) restorepoint.Table {
	n := partition / s.Partitions
	name := fmt.Sprintf("t%06d", n)
	return restorepoint.Table{Name: name, ID: int64(firstTable + n), Kind: "table", Keys: "DUP_KEYS", Replication: 3, PartitionScheme: "RANGE", Schema: strings.Repeat("5", 64),
		DDL: "CREATE TABLE `" + name + "` (`dt` date NOT NULL, `k` bigint NOT NULL, `v` varchar(20)) DUPLICATE KEY(`dt`, `k`) PARTITION BY RANGE(`dt`, `k`) () DISTRIBUTED BY HASH(`k`)"}
}
