package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// AdoptSnapshot makes a restore point of a native snapshot that starkeep did not make: it reads __info and __meta, checks
// the snapshot as after a BACKUP of starkeep's own (rule 13), writes down what is in it, and publishes a point that refers
// to it. A snapshot that has a record is used as it is. Doing it again gives the same point. StarRocks is not asked.
// SnapshotMissing for a label without __info, ChecksumMismatch for a snapshot that is not whole, VersionUnsupported for
// the binary __meta of StarRocks before 3.1.
func (a *Activities) AdoptSnapshot(ctx context.Context, in spec.Adopt) (spec.AdoptResult, error) {
	defer keepAlive(ctx)()
	c, r, err := a.both(in.Cluster, in.Repository)
	if err != nil {
		return spec.AdoptResult{}, failure(ctx, err)
	}
	w := &work{UnitRef: UnitRef{Cluster: in.Cluster, Repository: in.Repository, Label: in.Label}, cluster: c, repository: r}
	out, err := (&adopter{recorder: &recorder{work: w, bytes: map[int64]int64{}}, timestamp: in.Timestamp}).adopt(ctx)
	if err != nil {
		err = fmt.Errorf("adopt snapshot %s of repository %s: %w", in.Label, in.Repository, err)
	}
	return out, failure(ctx, err)
}

type adopter struct {
	*recorder
	timestamp string
	left      []restorepoint.NotCovered
}

func (a *adopter) adopt(ctx context.Context) (spec.AdoptResult, error) {
	if err := a.choose(ctx); err != nil {
		return spec.AdoptResult{}, err
	}
	record, sum, err := a.recorded(ctx)
	if err != nil {
		return spec.AdoptResult{}, err
	}
	m, err := a.manifest(record, sum)
	if err != nil {
		return spec.AdoptResult{}, err
	}
	return a.publish(ctx, m, record)
}

// choose finds the __info that is meant, and reads it.
func (a *adopter) choose(ctx context.Context) error {
	keys, err := a.infoKeys(ctx)
	if err != nil {
		return err
	}
	byTime := map[string][]string{}
	for _, key := range keys {
		if k, err := starrocks.ParseKey(key); err == nil && (a.timestamp == "" || k.Timestamp == a.timestamp) {
			byTime[k.Timestamp] = append(byTime[k.Timestamp], key)
		}
	}
	switch {
	case len(byTime) == 0:
		return a.nothing(ctx, keys)
	case len(byTime) > 1:
		return invalid("the label has several backups; name the one that is meant with timestamp: %s", strings.Join(sortedNames(byTime), ", "))
	}
	for timestamp, same := range byTime {
		if len(same) > 1 {
			return fail(spec.ErrorChecksumMismatch, "there are %d __info files of the timestamp %s, StarRocks refuses all of them: %s; remove those that do not belong there", len(same), timestamp, strings.Join(same, ", "))
		}
		a.timestamp, a.infoKey = timestamp, same[0]
	}
	raw, err := readChecked(ctx, a.repository.Store, a.infoKey)
	if err != nil {
		return err
	}
	if a.info, err = starrocks.ParseInfo(raw); err != nil {
		return fail(spec.ErrorChecksumMismatch, "%s cannot be read: %v", a.infoKey, err)
	}
	return a.checkInfo()
}

// nothing says why there is no __info of what was asked for.
func (a *adopter) nothing(ctx context.Context, keys []string) error {
	if len(keys) > 0 {
		return fail(spec.ErrorSnapshotMissing, "the label has no __info of the timestamp %s; it has %s", a.timestamp, strings.Join(keys, ", "))
	}
	for _, err := range a.repository.Store.List(ctx, a.snapshot().Prefix()) {
		if err != nil {
			return err
		}
		return fail(spec.ErrorSnapshotMissing, "below %s there are objects, but no __info: it is what a BACKUP left that did not finish, and cannot be restored", a.snapshot().Prefix())
	}
	return fail(spec.ErrorSnapshotMissing, "there is no such snapshot; \"starkeep backup list --native\" shows those there are")
}

func (a *adopter) checkInfo() error {
	switch {
	case a.info.Name != a.Label:
		return fail(spec.ErrorChecksumMismatch, "its __info names the label %q: StarRocks would take that label's __meta; a copied snapshot needs its name rewritten", a.info.Name)
	case a.info.Database == "":
		return fail(spec.ErrorNothingToDo, "it is a snapshot of external catalogs, which holds no table")
	}
	return nil
}

// recorded gives the snapshot's record, and makes it where there is none.
func (a *adopter) recorded(ctx context.Context) (restorepoint.SnapshotRecord, string, error) {
	record, sum, err := readRecord(ctx, a.repository.Store, a.Cluster, a.Label)
	switch {
	case err == nil && record.InfoKey != a.infoKey:
		return record, "", invalid("starkeep knows another backup of this label, of the timestamp %s (%s); only that one can be restored by starkeep",
			record.Timestamp, restorepoint.SnapshotKey(a.Cluster, a.Label))
	case err == nil:
		a.metaKey = record.MetaKey
		_, err = a.describe(ctx)
		return record, sum, err
	case !errors.Is(err, storage.ErrNotFound):
		return record, "", err
	}
	if err := a.check(ctx); err != nil {
		return record, "", err
	}
	for _, err := range a.listed(ctx) {
		if err != nil {
			return record, "", err
		}
	}
	tables, err := a.describe(ctx)
	if err != nil {
		return record, "", err
	}
	if len(tables) == 0 {
		return record, "", fail(spec.ErrorNothingToDo, "it holds no table that starkeep can restore")
	}
	return a.write(ctx, tables)
}

// check compares what lies in the repository with what __info says.
func (a *adopter) check(ctx context.Context) error {
	otherTime := func(key string) bool {
		k, err := starrocks.ParseKey(key)
		return err == nil && k.Timestamp != a.timestamp
	}
	var metaKey string
	objects := func(yield func(restorepoint.Object, error) bool) {
		for o, err := range objectsBelow(ctx, a.repository.Store, a.snapshot().Prefix()) {
			if k, bad := starrocks.ParseKey(o.Key); bad == nil && k.Kind == starrocks.KeyMeta {
				metaKey = o.Key
			}
			if !yield(o, err) {
				return
			}
		}
	}
	found, err := restorepoint.CheckSnapshot(a.snapshot(), a.info, objects, otherTime)
	if err != nil {
		return err
	}
	if !found.OK() {
		return fail(spec.ErrorChecksumMismatch, "the snapshot is not whole: %s; it cannot be restored as it is", found)
	}
	a.metaKey = metaKey
	_, err = a.describe(ctx) // before anything is written down
	return err
}

// describe makes the tables from __info and __meta.
func (a *adopter) describe(ctx context.Context) ([]restorepoint.Table, error) {
	meta, err := a.meta(ctx)
	if err != nil {
		return nil, err
	}
	if meta == nil {
		return nil, fail(spec.ErrorVersionUnsupported, "its __meta has the binary form of StarRocks before 3.1, which starkeep cannot read; restore it by hand (RESTORE SNAPSHOT %s.%s … ON (table AS other), one table at a time), then back it up with starkeep", a.info.Database, a.Label)
	}
	tables, left, err := restorepoint.AdoptedTables(a.info, meta, a.bytes)
	if errors.Is(err, restorepoint.ErrInconsistent) {
		return nil, fail(spec.ErrorChecksumMismatch, "its __info and __meta do not belong together: %v; StarRocks would restore it without a word, and wrong", err)
	}
	a.left = left
	return tables, err
}

// write stores the record, if absent: whoever adopts the same snapshot at the same time makes the same point.
func (a *adopter) write(ctx context.Context, tables []restorepoint.Table) (restorepoint.SnapshotRecord, string, error) {
	record := restorepoint.SnapshotRecord{
		Label: a.Label, Database: a.info.Database, DatabaseID: a.info.DatabaseID, Timestamp: a.timestamp, InfoKey: a.infoKey, MetaKey: a.metaKey,
		Cluster:    restorepoint.Cluster{Name: a.Cluster},
		Repository: restorepoint.Repository{Name: a.repository.Name, NativeName: a.repository.Native, Location: a.repository.Location},
		CreatedAt:  time.Now().UTC().Truncate(time.Second), ConsistentAt: a.info.BackupTime, Lists: a.lists, Tables: tables,
	}
	data, err := restorepoint.EncodeSnapshotRecord(record)
	if err != nil {
		return record, "", err
	}
	err = storage.WriteAll(ctx, a.repository.Store, restorepoint.SnapshotKey(a.Cluster, a.Label), data, storage.IfAbsent)
	if err != nil && !errors.Is(err, storage.ErrExists) {
		return record, "", err
	}
	return readRecord(ctx, a.repository.Store, a.Cluster, a.Label)
}

// manifest makes the restore point's. It depends on nothing but the record and the snapshot's files.
func (a *adopter) manifest(record restorepoint.SnapshotRecord, sum string) (restorepoint.Manifest, error) {
	m := restorepoint.Manifest{
		ID:      restorepoint.AdoptedPoint(a.Cluster, a.repository.Native, a.Label, a.timestamp, record.ConsistentAt),
		Cluster: record.Cluster, Repository: record.Repository, CreatedAt: record.ConsistentAt.UTC().Truncate(time.Second),
		Complete: true, Origin: restorepoint.OriginAdopted, NotCovered: a.left,
	}
	if slices.ContainsFunc(record.Tables, func(t restorepoint.Table) bool { return t.DDL == "" }) {
		m.NotKnown = restorepoint.NotKnownOfAdopted
	}
	if err := m.Add(record, sum); err != nil {
		return m, err
	}
	m.Sort()
	return m, nil
}

func (a *adopter) publish(ctx context.Context, m restorepoint.Manifest, record restorepoint.SnapshotRecord) (spec.AdoptResult, error) {
	data, err := restorepoint.EncodeManifest(m)
	if err != nil {
		return spec.AdoptResult{}, fail(spec.ErrorJobFailed, "the snapshot makes no restore point: %v", err)
	}
	err = commitManifest(ctx, a.repository.Store, a.Cluster, m, data)
	existing := errors.Is(err, storage.ErrExists)
	if existing {
		m, err = readManifest(ctx, a.repository.Store, a.Cluster, m.ID)
	}
	if err != nil {
		return spec.AdoptResult{}, err
	}
	sum := a.sum(record)
	out := spec.AdoptResult{
		Point: m.ID, Existing: existing, Label: a.Label, Timestamp: a.timestamp, Database: record.Database, Tables: len(record.Tables),
		Partitions: sum.Partitions, Tablets: sum.Tablets, Objects: sum.Objects, Bytes: sum.Bytes, NotKnown: m.NotKnown,
	}
	for _, n := range m.NotCovered[:min(len(m.NotCovered), spec.MaxListed)] {
		out.NotCovered = append(out.NotCovered, spec.NotCovered(n))
	}
	return out, nil
}
