package activities

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// CheckObjectsInput names a group of native snapshots.
type CheckObjectsInput struct {
	PlanVerifyInput
	Plan  VerifyPlan `json:"plan"`
	Group int        `json:"group"`
	File  string     `json:"file"` // that the findings go into
	// Again is the file of an earlier look at the group: only what could not be looked at then is looked at.
	Again string `json:"again,omitempty"`
}

// CheckedObjects sums up a look at a group.
type CheckedObjects struct {
	Snapshots int64         `json:"snapshots"` // whose objects were compared
	Found     int64         `json:"found"`
	Blocked   int           `json:"blocked,omitempty"` // snapshots whose objects nobody can compare: starkeep's own files are damaged
	Batches   []ObjectBatch `json:"batches,omitempty"` // of objects whose content is to be read
}

// ObjectBatch are objects whose content is read by one activity: those of the sample from one place to another.
type ObjectBatch struct {
	From    ObjectPlace `json:"from"`
	To      ObjectPlace `json:"to"` // the first one that does not belong to it
	Objects int64       `json:"objects"`
	Bytes   int64       `json:"bytes"`
}

// ObjectPlace is an object by its snapshot's index in the plan and its own in the snapshot's lists.
type ObjectPlace struct {
	Snapshot int   `json:"snapshot"`
	Object   int64 `json:"object"`
}

const (
	readBatchBytes   = 2 << 30
	readBatchObjects = 20_000
	maxReadBatches   = 200 // of a group: histories hold them all; batches grow before there are more
)

// maxFound bounds the problems that one file of findings lists; others are counted.
const maxFound = 100_000

// maxVerifyList bounds an object list in memory, as it is stored: some 5 MB of 100,000 objects.
const maxVerifyList = 256 << 20

// findings is a file of what was found.
type findings struct {
	Sums    []snapshotSum    `json:"sums,omitempty"`
	Blocked []int            `json:"blocked,omitempty"` // snapshots, by index
	Found   []found          `json:"found,omitempty"`
	More    map[string]int64 `json:"more,omitempty"` // further problems, by snapshot
}

// snapshotSum is what was looked at of one snapshot.
type snapshotSum struct {
	Label     string                    `json:"label"`
	Objects   int64                     `json:"objects"`
	Bytes     int64                     `json:"bytes"`
	Read      int64                     `json:"read,omitempty"` // objects whose content is read
	ReadBytes int64                     `json:"readBytes,omitempty"`
	Info      string                    `json:"info,omitempty"`  // of a native snapshot by itself: key of its __info
	Lists     []restorepoint.ObjectList `json:"lists,omitempty"` // and of its objects
}

func (f *findings) add(p found) {
	if len(f.Found) < maxFound {
		f.Found = append(f.Found, p)
		return
	}
	if f.More == nil {
		f.More = map[string]int64{}
	}
	f.More[p.Snapshot]++
}

func (f *findings) total() int64 {
	n := int64(len(f.Found))
	for _, more := range f.More {
		n += more
	}
	return n
}

func (f *findings) write(ctx context.Context, store storage.Store, key string) error {
	data, err := packJSON(f)
	if err != nil {
		return err
	}
	return storage.WriteAll(ctx, store, key, data, storage.Overwrite)
}

func readFindings(ctx context.Context, store storage.Store, key string) (*findings, error) {
	data, err := storage.ReadAll(ctx, store, key, maxPlanBytes)
	if err != nil {
		return nil, err
	}
	var f findings
	if err := unpackJSON(data, &f); err != nil {
		return nil, fmt.Errorf("read what was found (%s): %w", key, err)
	}
	return &f, nil
}

// CheckObjects looks at a group of native snapshots: their records and object lists by digest, and presence and size of every
// object by one listing of each snapshot. What it finds goes into a file; doing it again writes the same. It divides the
// objects whose content is to be read into batches.
func (a *Activities) CheckObjects(ctx context.Context, in CheckObjectsInput) (CheckedObjects, error) {
	defer keepAlive(ctx)()
	out, err := a.checkObjects(ctx, in)
	if err != nil {
		err = fmt.Errorf("look at the native snapshots in %s: %w", in.Spec.Where, err)
	}
	return out, failure(ctx, err)
}

func (a *Activities) checkObjects(ctx context.Context, in CheckObjectsInput) (CheckedObjects, error) {
	where, err := a.storeOf("where", in.Spec.Where)
	if err != nil {
		return CheckedObjects{}, err
	}
	plan, err := readVerifyPlan(ctx, where.Store, in.Plan.Plan)
	if err != nil {
		return CheckedObjects{}, err
	}
	c := &objectCheck{in: in, where: where, plan: plan, seen: map[string]bool{}, batches: batcher{in: in}}
	from, to := plan.group(in.Group)
	if err := c.earlier(ctx); err != nil {
		return CheckedObjects{}, err
	}
	for i := from; i < to; i++ {
		if in.Again != "" && !slices.Contains(c.again, i) {
			continue
		}
		if err := c.snapshot(ctx, i); err != nil {
			return CheckedObjects{}, fmt.Errorf("snapshot %s: %w", plan.Snapshots[i].Label, err)
		}
		activity.RecordHeartbeat(ctx, plan.Snapshots[i].Label)
	}
	if err := c.findings.write(ctx, where.Store, verifyKey(in.PlanVerifyInput, in.File)); err != nil {
		return CheckedObjects{}, err
	}
	return CheckedObjects{Snapshots: int64(len(c.findings.Sums)), Found: c.findings.total(), Blocked: len(c.findings.Blocked), Batches: c.batches.all()}, nil
}

// objectCheck is one look at a group.
type objectCheck struct {
	in       CheckObjectsInput
	where    *Repository
	plan     *verifyPlan
	again    []int           // snapshots that are looked at once more
	seen     map[string]bool // keys of what was found then
	findings findings
	batches  batcher
}

// earlier reads what an earlier look could not look at, and what it found.
func (c *objectCheck) earlier(ctx context.Context) error {
	if c.in.Again == "" {
		return nil
	}
	f, err := readFindings(ctx, c.where.Store, verifyKey(c.in.PlanVerifyInput, c.in.Again))
	if err != nil {
		return err
	}
	c.again = f.Blocked
	for _, p := range f.Found {
		c.seen[p.Key] = true
	}
	return nil
}

// snapshot looks at one native snapshot.
func (c *objectCheck) snapshot(ctx context.Context, n int) error {
	s := c.plan.Snapshots[n]
	if c.in.Spec.Native != nil {
		return c.nativeSnapshot(ctx, s)
	}
	record, whole, err := c.record(ctx, s)
	if err != nil {
		return err
	}
	if whole {
		whole, err = c.lists(ctx, record)
	}
	if err != nil {
		return err
	}
	if !whole {
		c.findings.Blocked = append(c.findings.Blocked, n)
		return nil
	}
	return c.objects(ctx, n, record)
}

// record reads a snapshot's record and compares its digest with what the points say; whole means that it is what at least one
// of them names.
func (c *objectCheck) record(ctx context.Context, s verifySnapshot) (record restorepoint.SnapshotRecord, whole bool, err error) {
	record, sum, err := readRecord(ctx, c.where.Store, c.in.Spec.Cluster, s.Label)
	missing := errors.Is(err, storage.ErrNotFound)
	if err != nil && !missing && !errors.Is(err, restorepoint.ErrFormat) {
		return record, false, err
	}
	for _, ref := range s.Refs {
		if sum == ref.SHA256 && err == nil {
			whole = true
			continue
		}
		p := restorepoint.Problem{Kind: restorepoint.ProblemContent, Key: restorepoint.SnapshotKey(c.in.Spec.Cluster, s.Label),
			Detail: "is not the record that the restore point names: SHA-256 differs"}
		if missing {
			p.Kind, p.Detail = restorepoint.ProblemMissing, "the record of the snapshot is missing: its objects cannot be compared"
		}
		c.own(found{FoundObject: restorepoint.FoundObject{Snapshot: s.Label, Problem: p}, Digest: ref.SHA256, SHA256: ref.SHA256})
	}
	return record, whole, nil
}

// own notes a problem of one of starkeep's own files, once.
func (c *objectCheck) own(p found) {
	if !c.seen[p.Key] {
		c.findings.add(p)
	}
}

// lists compares the object lists of a snapshot with their digests.
func (c *objectCheck) lists(ctx context.Context, record restorepoint.SnapshotRecord) (whole bool, err error) {
	whole = true
	for _, list := range record.Lists {
		data, err := storage.ReadAll(ctx, c.where.Store, list.Key, maxVerifyList)
		p := restorepoint.Problem{Key: list.Key}
		switch {
		case errors.Is(err, storage.ErrNotFound):
			p.Kind, p.Detail = restorepoint.ProblemMissing, "the list of objects is missing: they cannot be compared"
		case errors.Is(err, storage.ErrInvalid):
			p.Kind, p.Detail = restorepoint.ProblemSize, "the list of objects is not the one that was written: it is far too long"
		case err != nil:
			return false, err
		case restorepoint.Digest(data) != list.SHA256:
			p.Kind, p.Detail = restorepoint.ProblemContent, "the list of objects is not the one that was written: SHA-256 differs"
		default:
			continue
		}
		whole = false
		c.own(found{FoundObject: restorepoint.FoundObject{Snapshot: record.Label, Database: record.Database, Problem: p}, SHA256: list.SHA256})
	}
	return whole, nil
}

// objects compares what is there with what was written down.
func (c *objectCheck) objects(ctx context.Context, n int, record restorepoint.SnapshotRecord) error {
	sum := snapshotSum{Label: record.Label}
	expected := c.batches.watch(n, &sum, recorded(ctx, c.where.Store, record))
	listed := (&contents{store: c.where.Store}).all(ctx, c.plan.Snapshots[n].at().Prefix())
	var asked error
	ours := (&work{repository: c.where}).askOurs(ctx, &asked)
	err := restorepoint.EachAbsent(expected, listed, restorepoint.PlacesOf(record.Tables), ours, func(p restorepoint.Problem) {
		c.findings.add(found{FoundObject: restorepoint.FoundObject{Snapshot: record.Label, Database: record.Database, Problem: p}})
	})
	c.findings.Sums = append(c.findings.Sums, sum)
	return errors.Join(err, asked)
}

// batcher divides the objects whose content is read.
type batcher struct {
	in   CheckObjectsInput
	list []ObjectBatch
	open ObjectBatch
}

// watch passes a snapshot's objects on and takes those that are to be read into batches.
func (b *batcher) watch(n int, sum *snapshotSum, objects iter.Seq2[restorepoint.Object, error]) iter.Seq2[restorepoint.Object, error] {
	return func(yield func(restorepoint.Object, error) bool) {
		i := int64(0)
		for o, err := range objects {
			if err == nil {
				sum.Objects++
				sum.Bytes += o.Size
				if picked(b.in.Spec, b.in.Plan, o) {
					sum.Read++
					sum.ReadBytes += o.Size
					b.take(ObjectPlace{n, i}, o.Size)
				}
				i++
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// picked tells whether an object's content is read.
func picked(in spec.Verify, plan VerifyPlan, o restorepoint.Object) bool {
	if o.MD5 == "" {
		return false
	}
	switch in.ContentOf() {
	case spec.ContentAll:
		return true
	case spec.ContentSample:
		return restorepoint.InPart(o.Key, plan.Part, plan.Of)
	}
	return false
}

func (b *batcher) take(at ObjectPlace, size int64) {
	if b.open.Objects == 0 {
		b.open.From = at
	}
	b.open.To = ObjectPlace{at.Snapshot, at.Object + 1}
	b.open.Objects++
	b.open.Bytes += size
	if b.open.Bytes >= readBatchBytes || b.open.Objects >= readBatchObjects {
		b.end()
	}
}

func (b *batcher) end() {
	if b.open.Objects > 0 {
		b.list = append(b.list, b.open)
	}
	b.open = ObjectBatch{}
}

// all ends the last batch and joins neighbours where there are too many.
func (b *batcher) all() []ObjectBatch {
	b.end()
	for len(b.list) > maxReadBatches {
		joined := b.list[:0]
		for i := 0; i < len(b.list); i += 2 {
			one := b.list[i]
			if i+1 < len(b.list) {
				next := b.list[i+1]
				one.To, one.Objects, one.Bytes = next.To, one.Objects+next.Objects, one.Bytes+next.Bytes
			}
			joined = append(joined, one)
		}
		b.list = joined
	}
	return b.list
}
