package activities

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// Bounds of a batch. It is retried alone, and what it has moved is not moved again.
const (
	copyBatchTablets = 256
	copyBatchBytes   = 2 << 30
	copyBatchObjects = 4096 // of tablets with many files: a batch's list is held in memory

	copyPlanBatches = 200 // that one plan of a snapshot names: histories hold them
)

// SnapshotCopyInput asks for the batches of one native snapshot.
type SnapshotCopyInput struct {
	Spec  spec.Copy `json:"spec"`
	Label string    `json:"label"`
	Run   string    `json:"run"`             // tells the plan files of this copy apart
	After string    `json:"after,omitempty"` // key up to which everything is copied
}

// SnapshotCopy names the batches of a snapshot, or the first of them. Their objects stand in a plan file at the target.
type SnapshotCopy struct {
	Plan    string      `json:"plan,omitempty"` // its key
	Batches []CopyBatch `json:"batches,omitempty"`
	Next    string      `json:"next,omitempty"`  // the rest begins after this key; "" if nothing is left
	Present int64       `json:"present"`         // objects that are at the target as they should be
	Bytes   int64       `json:"bytes,omitempty"` // of them
}

// CopyBatch is a part of a plan file: an object list of its own.
type CopyBatch struct {
	Offset  int64  `json:"offset"`
	Length  int64  `json:"length"`
	SHA256  string `json:"sha256"`
	Objects int64  `json:"objects"`
	Bytes   int64  `json:"bytes"`
	Tablets int    `json:"tablets"`
	Look    bool   `json:"look,omitempty"` // some may be there already
}

// PlanSnapshotCopy compares what was recorded of a snapshot with what the target lists, and divides the rest into batches.
// Both are streamed. __info is in none: it would make the snapshot restorable.
func (a *Activities) PlanSnapshotCopy(ctx context.Context, in SnapshotCopyInput) (SnapshotCopy, error) {
	defer keepAlive(ctx)()
	e, err := a.ends(in.Spec)
	if err != nil {
		return SnapshotCopy{}, failure(ctx, err)
	}
	p := &batchPlanner{copyEnds: e, in: in}
	plan, err := p.plan(ctx)
	if err != nil {
		err = fmt.Errorf("plan the copy of snapshot %s %s: %w", in.Label, e.way(), err)
	}
	return plan, failure(ctx, err)
}

type batchPlanner struct {
	copyEnds
	in  SnapshotCopyInput
	out SnapshotCopy

	file   bytes.Buffer
	list   *restorepoint.ListWriter // of the batch under way; nil: none
	batch  CopyBatch
	tablet starrocks.TabletPath
}

func (p *batchPlanner) plan(ctx context.Context) (SnapshotCopy, error) {
	record, _, err := readRecord(ctx, p.from.Store, p.cluster, p.in.Label)
	if err != nil {
		return SnapshotCopy{}, err
	}
	info, err := starrocks.ParseKey(record.InfoKey)
	if err != nil {
		return SnapshotCopy{}, err
	}
	there := newListed(p.to.Store.List(ctx, starrocks.Snapshot{Repository: info.Repository, Label: info.Label}.Prefix()))
	defer there.stop()
	for o, err := range recorded(ctx, p.from.Store, record) {
		if err != nil {
			return SnapshotCopy{}, err
		}
		if o.Key <= p.in.After || o.Key == record.InfoKey {
			continue
		}
		full, err := p.consider(o, there)
		if err != nil {
			return SnapshotCopy{}, err
		}
		if full {
			break
		}
		p.out.Next = o.Key
	}
	return p.store(ctx)
}

// consider puts an object into a batch unless it is there. It tells that the plan is full, before that object.
func (p *batchPlanner) consider(o restorepoint.Object, there *listed) (full bool, err error) {
	have, ok, err := there.find(o.Key)
	if err != nil {
		return false, err
	}
	look := ok && have.Size == o.Size
	if look && o.MD5 != "" && have.MD5 == o.MD5 {
		p.out.Present++
		p.out.Bytes += o.Size
		return false, nil
	}
	if p.ends(o) {
		if err := p.close(); err != nil {
			return false, err
		}
		if len(p.out.Batches) == copyPlanBatches {
			return true, nil
		}
	}
	return false, p.add(o, look)
}

// ends tells whether the batch under way ends before an object.
func (p *batchPlanner) ends(o restorepoint.Object) bool {
	if p.list == nil {
		return false
	}
	k, err := starrocks.ParseKey(o.Key)
	another := err != nil || k.Tablet != p.tablet
	return p.batch.Bytes+o.Size > copyBatchBytes || p.batch.Objects == copyBatchObjects || another && p.batch.Tablets >= copyBatchTablets
}

func (p *batchPlanner) add(o restorepoint.Object, look bool) (err error) {
	if p.list == nil {
		p.batch, p.tablet = CopyBatch{Offset: int64(p.file.Len())}, starrocks.TabletPath{}
		if p.list, err = restorepoint.NewListWriter(&p.file, ""); err != nil {
			return err
		}
	}
	if k, err := starrocks.ParseKey(o.Key); err == nil && k.Kind == starrocks.KeyTabletFile && k.Tablet != p.tablet {
		p.tablet = k.Tablet
		p.batch.Tablets++
	}
	p.batch.Objects++
	p.batch.Bytes += o.Size
	p.batch.Look = p.batch.Look || look
	return p.list.Write(o)
}

func (p *batchPlanner) close() error {
	if p.list == nil {
		return nil
	}
	list, err := p.list.Close()
	if err != nil {
		return err
	}
	p.list = nil
	p.batch.SHA256, p.batch.Length = list.SHA256, int64(p.file.Len())-p.batch.Offset
	p.out.Batches = append(p.out.Batches, p.batch)
	return nil
}

// store writes the plan file. Its name holds its digest: what a worker writes that was taken for dead spoils no plan.
func (p *batchPlanner) store(ctx context.Context) (SnapshotCopy, error) {
	full := p.list == nil && len(p.out.Batches) == copyPlanBatches
	if err := p.close(); err != nil {
		return SnapshotCopy{}, err
	}
	if !full {
		p.out.Next = ""
	}
	if len(p.out.Batches) == 0 {
		return p.out, nil
	}
	p.out.Plan = restorepoint.PlanKey(p.cluster, copyRun(p.in.Run), p.in.Label+"."+restorepoint.Digest(p.file.Bytes())[:12])
	return p.out, storage.WriteAll(ctx, p.to.Store, p.out.Plan, p.file.Bytes(), storage.Overwrite)
}

// copyRun is a copy's directory of plans.
func copyRun(run string) string { return "copy-" + run }

// listed walks through a listing side by side with another ascending sequence.
type listed struct {
	next func() (storage.Object, error, bool)
	stop func()
	have storage.Object
	err  error
	more bool
}

func newListed(list iter.Seq2[storage.Object, error]) *listed {
	l := &listed{}
	l.next, l.stop = iter.Pull2(list)
	l.have, l.err, l.more = l.next()
	return l
}

// find looks for a key; keys must ascend.
func (l *listed) find(key string) (storage.Object, bool, error) {
	for l.more && l.err == nil && l.have.Key < key {
		l.have, l.err, l.more = l.next()
	}
	if l.more && l.err != nil {
		return storage.Object{}, false, l.err
	}
	return l.have, l.more && l.have.Key == key, nil
}
