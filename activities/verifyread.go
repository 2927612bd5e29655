package activities

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
)

// ReadObjectsInput names a batch of objects.
type ReadObjectsInput struct {
	PlanVerifyInput
	Plan  VerifyPlan  `json:"plan"`
	Batch ObjectBatch `json:"batch"`
	Look  string      `json:"look"` // file of the look at the group that made the batch
	File  string      `json:"file"` // that the findings go into, if there are any
}

// ObjectsRead sums up a batch that was read.
type ObjectsRead struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
	Found   int64 `json:"found"`
}

// maxNoted bounds the findings in a heartbeat: an attempt that is broken off with more of them is done again from there.
const maxNoted = 200

// ReadObjects reads the objects of a batch and compares each with the MD5 that is written down of it. Objects that were found
// missing or of another size are left out. An attempt goes on where the last one's heartbeat was.
func (a *Activities) ReadObjects(ctx context.Context, in ReadObjectsInput) (ObjectsRead, error) {
	out, err := a.readObjects(ctx, in)
	if err != nil {
		err = fmt.Errorf("read objects in %s: %w", in.Spec.Where, err)
	}
	return out, failure(ctx, err)
}

func (a *Activities) readObjects(ctx context.Context, in ReadObjectsInput) (ObjectsRead, error) {
	r := &objectReader{in: in, skip: map[string]bool{}}
	defer beating(ctx, r.details)()
	var err error
	if r.where, err = a.storeOf("where", in.Spec.Where); err != nil {
		return ObjectsRead{}, err
	}
	if err := r.prepare(ctx); err != nil {
		return ObjectsRead{}, err
	}
	return r.read(ctx)
}

type objectReader struct {
	in    ReadObjectsInput
	where *Repository
	plan  *verifyPlan
	look  *findings
	skip  map[string]bool // keys that are known to be wrong

	mu     sync.Mutex
	noted  readSoFar // of this attempt and those before
	before readSoFar // of those before
	found  findings
}

// readSoFar is the heartbeat of ReadObjects.
type readSoFar struct {
	Through int64     `json:"through"` // objects from the beginning of the batch that are compared
	Objects int64     `json:"objects"` // all that are compared
	Bytes   int64     `json:"bytes"`   // read
	Of      int64     `json:"of"`      // bytes of the batch
	Found   []foundAt `json:"found,omitempty"`
}

// foundAt is a finding with the object's place among those of the batch.
type foundAt struct {
	At    int64 `json:"at"`
	Found found `json:"found"`
}

func (r *objectReader) details() []any {
	r.mu.Lock()
	defer r.mu.Unlock()
	return []any{r.noted}
}

// prepare reads the plan, what an earlier look found, and how far an earlier attempt came.
func (r *objectReader) prepare(ctx context.Context) (err error) {
	if r.plan, err = readVerifyPlan(ctx, r.where.Store, r.in.Plan.Plan); err != nil {
		return err
	}
	if r.look, err = readFindings(ctx, r.where.Store, verifyKey(r.in.PlanVerifyInput, r.in.Look)); err != nil {
		return err
	}
	for _, p := range r.look.Found {
		r.skip[p.Key] = true
	}
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &r.before) != nil {
		r.before = readSoFar{}
	}
	r.before.Of = r.in.Batch.Bytes
	r.before.Objects = r.before.Through
	// What lies behind was compared out of turn, and is compared again.
	r.before.Found = slices.DeleteFunc(r.before.Found, func(p foundAt) bool { return p.At >= r.before.Through })
	r.noted = r.before
	r.noted.Found = slices.Clone(r.before.Found)
	for _, p := range r.before.Found {
		r.found.add(p.Found)
	}
	return nil
}

func (r *objectReader) read(ctx context.Context) (ObjectsRead, error) {
	placed := &placedObjects{reader: r, at: map[string]namedPlaces{}}
	result, err := storage.Check(ctx, r.where.Store, placed.stored(ctx), storage.CheckOptions{
		MD5: func(o storage.Object) string { return o.MD5 },
		Wrong: func(n int64, o storage.Object, content storage.Content) {
			r.wrong(n, placed.problem(o, content))
		},
		Progress: r.progress,
	})
	if err != nil {
		return ObjectsRead{}, err
	}
	out := ObjectsRead{Objects: r.before.Through + result.Objects, Bytes: r.in.Batch.Bytes, Found: r.found.total()}
	if out.Found > 0 {
		err = r.found.write(ctx, r.where.Store, verifyKey(r.in.PlanVerifyInput, r.in.File))
	}
	return out, err
}

// wrong notes a finding for the heartbeat too, unless that holds enough: then it stays where it is.
func (r *objectReader) wrong(n int64, p found) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found.add(p)
	if len(r.noted.Found) <= maxNoted {
		r.noted.Found = append(r.noted.Found, foundAt{r.before.Through + n, p})
	}
}

func (r *objectReader) progress(c storage.CheckResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noted.Objects, r.noted.Bytes = r.before.Through+c.Objects, r.before.Bytes+c.Bytes
	if len(r.noted.Found) <= maxNoted {
		r.noted.Through = r.before.Through + c.First
	}
}

// placedObjects are the objects of a batch, with where they belong.
type placedObjects struct {
	reader *objectReader

	mu sync.Mutex
	at map[string]namedPlaces // by label
}

// namedPlaces tells where the objects of a snapshot belong.
type namedPlaces struct {
	database string
	places   restorepoint.Places
	lists    []restorepoint.ObjectList
}

// stored yields what is still to be read.
func (p *placedObjects) stored(ctx context.Context) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		n := int64(0)
		for o, err := range p.batch(ctx) {
			if err == nil {
				if p.reader.skip[o.Key] {
					continue
				}
				if n++; n <= p.reader.before.Through {
					continue
				}
			}
			if !yield(storage.Object{Key: o.Key, Size: o.Size, MD5: o.MD5}, err) || err != nil {
				return
			}
		}
	}
}

// batch yields the objects of the batch, snapshot by snapshot.
func (p *placedObjects) batch(ctx context.Context) iter.Seq2[restorepoint.Object, error] {
	b, r := p.reader.in.Batch, p.reader
	return func(yield func(restorepoint.Object, error) bool) {
		for n := b.From.Snapshot; n <= b.To.Snapshot; n++ {
			first, end := int64(0), int64(-1)
			if n == b.From.Snapshot {
				first = b.From.Object
			}
			if n == b.To.Snapshot {
				end = b.To.Object
			}
			for o, err := range p.snapshot(ctx, r.plan.Snapshots[n], first, end) {
				if err == nil && !picked(r.in.Spec, r.in.Plan, o) {
					continue
				}
				if !yield(o, err) || err != nil {
					return
				}
			}
		}
	}
}

// snapshot yields the objects of a snapshot's lists from first to end; -1 is all.
func (p *placedObjects) snapshot(ctx context.Context, s verifySnapshot, first, end int64) iter.Seq2[restorepoint.Object, error] {
	return func(yield func(restorepoint.Object, error) bool) {
		at, err := p.find(ctx, s)
		if err != nil {
			yield(restorepoint.Object{}, err)
			return
		}
		lists, skipped := at.lists, int64(0)
		for len(lists) > 0 && skipped+lists[0].Objects <= first {
			skipped += lists[0].Objects
			lists = lists[1:]
		}
		i := skipped
		for o, err := range recorded(ctx, p.reader.where.Store, restorepoint.SnapshotRecord{Label: s.Label, Lists: lists}) {
			if err == nil && i == end {
				return
			}
			i++
			if err == nil && i <= first {
				continue
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// find reads where a snapshot's objects are listed, and where they belong.
func (p *placedObjects) find(ctx context.Context, s verifySnapshot) (namedPlaces, error) {
	r := p.reader
	at := namedPlaces{}
	if r.in.Spec.Native != nil {
		var err error
		if at, err = r.nativePlaces(ctx); err != nil {
			return at, err
		}
	} else {
		record, sum, err := readRecord(ctx, r.where.Store, r.in.Spec.Cluster, s.Label)
		if err != nil {
			return at, err
		}
		if !s.names(sum) {
			return at, fmt.Errorf("the record of snapshot %s: %w", s.Label, restorepoint.ErrDigest)
		}
		at = namedPlaces{database: record.Database, places: restorepoint.PlacesOf(record.Tables), lists: record.Lists}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at[s.Label] = at
	return at, nil
}

// names tells whether points name the snapshot's record by a digest.
func (s verifySnapshot) names(digest string) bool {
	for _, ref := range s.Refs {
		if ref.SHA256 == digest {
			return true
		}
	}
	return false
}

func (r *objectReader) nativePlaces(ctx context.Context) (namedPlaces, error) {
	if len(r.look.Sums) != 1 {
		return namedPlaces{}, errors.New("the snapshot was not looked at")
	}
	sum := r.look.Sums[0]
	raw, err := readChecked(ctx, r.where.Store, sum.Info)
	if err != nil {
		return namedPlaces{}, err
	}
	info, err := starrocks.ParseInfo(raw)
	if err != nil {
		return namedPlaces{}, err
	}
	return namedPlaces{database: info.Database, places: placesOfInfo(info), lists: sum.Lists}, nil
}

// problem says what is wrong with an object.
func (p *placedObjects) problem(o storage.Object, content storage.Content) found {
	out := found{FoundObject: restorepoint.FoundObject{Problem: restorepoint.Problem{Key: o.Key}}}
	switch {
	case content.Missing:
		out.Kind, out.Detail = restorepoint.ProblemMissing, fmt.Sprintf("is missing (%d bytes)", o.Size)
	case content.Size > o.Size:
		out.Kind, out.Detail = restorepoint.ProblemSize, fmt.Sprintf("is longer than the %d bytes that were written", o.Size)
	case content.Size != o.Size:
		out.Kind, out.Detail = restorepoint.ProblemSize, fmt.Sprintf("has %d bytes, was written with %d", content.Size, o.Size)
	default:
		out.Kind, out.Detail = restorepoint.ProblemContent, "has another content than was written: its MD5 is "+content.MD5
	}
	key, err := starrocks.ParseKey(o.Key)
	if err != nil {
		return out
	}
	p.mu.Lock()
	at := p.at[key.Label]
	p.mu.Unlock()
	place := at.places[key.Tablet.Partition]
	out.Snapshot, out.Database, out.Table, out.Partition, out.Tablet = key.Label, at.database, place.Table, place.Partition, key.Tablet.Tablet
	return out
}
