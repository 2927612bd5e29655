package testbed

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"testing"
	"time"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
)

// MadePoint writes a restore point that no backup made, with everything that it needs in the layout of a real one: snapshots
// native snapshots of one partition, whose tablets have a header and a data file of size bytes each. What it holds cannot be
// restored: the contents are noise. It is for what looks at files only.
type MadePoint struct {
	Cluster   string
	Native    string // repository as StarRocks names it
	Snapshots int
	Tablets   int
	Size      int // bytes of a data file
}

// Write stores the point, its manifest last, and gives its id.
func (p MadePoint) Write(t testing.TB, store storage.Store) string {
	t.Helper()
	at := time.Date(2026, 11, 22, 15, 4, 5, 0, time.UTC)
	m := restorepoint.Manifest{
		ID: restorepoint.NewPointID(at, "made"), Cluster: restorepoint.Cluster{Name: p.Cluster, ID: 1, Version: "3.3.5"}, CreatedAt: at, Complete: true,
		Repository: restorepoint.Repository{Name: RepositoryName, NativeName: p.Native, Location: "s3a://made"},
	}
	p.put(t, store, starrocks.RepoInfoKey(p.Native), []byte("{}"))
	for n := range p.Snapshots {
		record := p.snapshot(t, store, m, n)
		data, err := restorepoint.EncodeSnapshotRecord(record)
		if err != nil {
			t.Fatal(err)
		}
		p.put(t, store, restorepoint.SnapshotKey(p.Cluster, record.Label), data)
		if err := m.Add(record, restorepoint.Digest(data)); err != nil {
			t.Fatal(err)
		}
	}
	m.Sort()
	data, err := restorepoint.EncodeManifest(m)
	if err != nil {
		t.Fatal(err)
	}
	p.put(t, store, restorepoint.ManifestKey(p.Cluster, m.ID), data)
	return m.ID
}

func (p MadePoint) put(t testing.TB, store storage.Store, key string, data []byte) {
	t.Helper()
	if err := storage.WriteAll(t.Context(), store, key, data, storage.Overwrite); err != nil {
		t.Fatal(err)
	}
}

// snapshot writes one native snapshot and its object list.
func (p MadePoint) snapshot(t testing.TB, store storage.Store, m restorepoint.Manifest, n int) restorepoint.SnapshotRecord {
	t.Helper()
	at := starrocks.Snapshot{Repository: p.Native, Label: restorepoint.Label("made", "run", n+1, 1)}
	head := fmt.Appendf(nil, "info %d", n)
	timestamp := starrocks.Timestamp(m.CreatedAt)
	partition := int64(1000 + n)
	record := restorepoint.SnapshotRecord{
		Label: at.Label, Cluster: m.Cluster, Repository: m.Repository, Database: "made", DatabaseID: 1, Timestamp: timestamp,
		InfoKey: at.InfoKey(timestamp, head), MetaKey: at.MetaKey(head), CreatedAt: m.CreatedAt, ConsistentAt: m.CreatedAt,
		Tables: []restorepoint.Table{{Name: fmt.Sprintf("t%06d", n), ID: int64(100_000 + n), Kind: "table", Keys: "DUP_KEYS", DDL: "CREATE TABLE", Partitions: []restorepoint.Partition{{
			Name: "p", ID: partition, Physical: []restorepoint.Physical{{ID: partition, Version: 2}}, Bytes: int64(p.Tablets * p.Size), Tablets: p.Tablets,
		}}}},
	}
	var objects []restorepoint.Object
	add := func(key string, data []byte) {
		p.put(t, store, key, data)
		objects = append(objects, restorepoint.Object{Key: key, Size: int64(len(data)), MD5: fmt.Sprintf("%x", md5.Sum(data))})
	}
	add(record.InfoKey, head)
	add(record.MetaKey, head)
	for i := range p.Tablets {
		dir := at.TabletDir(starrocks.TabletPath{Database: 1, Table: int64(100_000 + n), Partition: partition, Index: 7, Tablet: int64(1_000_000 + i)})
		data := bytes.Repeat(fmt.Appendf(nil, "%d %d ", n, i), p.Size/4+1)[:p.Size]
		add(fmt.Sprintf("%s0200_0.dat.%x", dir, md5.Sum(data)), data)
		header := fmt.Appendf(nil, "header %d %d", n, i)
		add(fmt.Sprintf("%s%d.hdr.%x", dir, 1_000_000+i, md5.Sum(header)), header)
	}
	record.Lists = p.list(t, store, record.Label, objects)
	return record
}

func (p MadePoint) list(t testing.TB, store storage.Store, label string, objects []restorepoint.Object) []restorepoint.ObjectList {
	t.Helper()
	var lists []restorepoint.ObjectList
	for len(objects) > 0 {
		var packed bytes.Buffer
		key := restorepoint.ObjectsKey(p.Cluster, label, len(lists)+1)
		w, err := restorepoint.NewListWriter(&packed, key)
		if err != nil {
			t.Fatal(err)
		}
		part := objects[:min(len(objects), restorepoint.MaxListObjects)]
		objects = objects[len(part):]
		for _, o := range part {
			if err := w.Write(o); err != nil {
				t.Fatal(err)
			}
		}
		list, err := w.Close()
		if err != nil {
			t.Fatal(err)
		}
		p.put(t, store, key, packed.Bytes())
		lists = append(lists, list)
	}
	return lists
}
