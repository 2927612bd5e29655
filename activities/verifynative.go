package activities

import (
	"context"
	"errors"
	"fmt"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
)

// nativeSnapshot looks at a native snapshot by itself: what it must hold is known from its __info alone. Its objects are
// listed into files of the run's, so that their contents can be read in batches.
func (c *objectCheck) nativeSnapshot(ctx context.Context, s verifySnapshot) error {
	w := &work{UnitRef: UnitRef{Cluster: c.in.Spec.Cluster, Repository: c.where.Name, Label: s.Label}, repository: c.where}
	head := &adopter{recorder: &recorder{work: w, bytes: map[int64]int64{}}, timestamp: c.in.Spec.Native.Timestamp}
	if err := head.choose(ctx); err != nil {
		return err
	}
	lists := &nativeLists{check: c, sum: snapshotSum{Label: s.Label, Info: head.infoKey}}
	otherTime := func(key string) bool {
		k, err := starrocks.ParseKey(key)
		return err == nil && k.Timestamp != head.timestamp
	}
	problems, err := restorepoint.CheckSnapshot(s.at(), head.info, c.batches.watch(0, &lists.sum, lists.written(ctx, s)), otherTime)
	if err != nil {
		return err
	}
	for _, p := range problems.First {
		c.findings.add(found{FoundObject: restorepoint.FoundObject{Snapshot: s.Label, Database: head.info.Database, Problem: p}})
	}
	if more := int64(problems.Total - len(problems.First)); more > 0 {
		c.findings.More = map[string]int64{s.Label: more}
	}
	if err := c.nativeMeta(ctx, s.Label, head.info.Database, lists.meta); err != nil {
		return err
	}
	c.findings.Sums = append(c.findings.Sums, lists.sum)
	return nil
}

// nativeMeta compares a __meta with its MD5, unless all contents are.
func (c *objectCheck) nativeMeta(ctx context.Context, label, database, key string) error {
	if key == "" || picked(c.in.Spec, c.in.Plan, restorepoint.Object{Key: key, MD5: "any"}) {
		return nil
	}
	_, err := readChecked(ctx, c.where.Store, key)
	var damaged *Failure
	if !errors.As(err, &damaged) {
		return err
	}
	c.findings.add(found{FoundObject: restorepoint.FoundObject{Snapshot: label, Database: database,
		Problem: restorepoint.Problem{Kind: restorepoint.ProblemContent, Key: key, Detail: "has another MD5 than its name says"}}})
	return nil
}

// placesOfInfo names the partitions of a native snapshot.
func placesOfInfo(info *starrocks.Info) restorepoint.Places {
	places := restorepoint.Places{}
	for t := range info.Tablets() {
		places[t.Path.Partition] = restorepoint.Place{Table: t.Table, Partition: t.Partition}
	}
	return places
}

// nativeLists writes the objects of a native snapshot into lists that only this run knows.
type nativeLists struct {
	check *objectCheck
	sum   snapshotSum
	meta  string // key of __meta
}

// written passes the objects on as the store lists them.
func (l *nativeLists) written(ctx context.Context, s verifySnapshot) func(func(restorepoint.Object, error) bool) {
	return func(yield func(restorepoint.Object, error) bool) {
		key := func(n int) string { return verifyKey(l.check.in.PlanVerifyInput, fmt.Sprint("objects-", n)) }
		lists := &listWriter{key: key, store: l.store}
		for o, err := range objectsBelow(ctx, l.check.where.Store, s.at().Prefix()) {
			if err == nil {
				if k, bad := starrocks.ParseKey(o.Key); bad == nil && k.Kind == starrocks.KeyMeta {
					l.meta = o.Key
				}
				err = lists.write(ctx, o)
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
		if err := lists.close(ctx); err != nil {
			yield(restorepoint.Object{}, err)
		}
	}
}

// store keeps a list of the run's.
func (l *nativeLists) store(ctx context.Context, list restorepoint.ObjectList, packed []byte) error {
	l.sum.Lists = append(l.sum.Lists, list)
	return storage.WriteAll(ctx, l.check.where.Store, list.Key, packed, storage.Overwrite)
}
