package activities

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// batchParallel is how many objects of one batch are copied at a time; some batches run at once.
const batchParallel = 4

// CopyBatchInput is one batch of a snapshot's plan.
type CopyBatchInput struct {
	Spec           spec.Copy `json:"spec"`
	Label          string    `json:"label"`
	Plan           string    `json:"plan"`
	Batch          CopyBatch `json:"batch"`
	BytesPerSecond int64     `json:"bytesPerSecond,omitempty"` // this batch's share of the limit when it was begun; 0: none
}

// CopiedBatch is what became of a batch.
type CopiedBatch struct {
	Copied  int64 `json:"copied"`  // objects
	Present int64 `json:"present"` // objects
	Bytes   int64 `json:"bytes"`   // of both
	Moved   int64 `json:"moved"`   // bytes that went through this worker
}

// CopyBatch copies the objects of a batch and proves the MD5 of each on the way. What an earlier attempt has moved is not
// moved again. The limit follows what people set meanwhile. SnapshotMissing or ChecksumMismatch if objects are gone or
// damaged at the source.
func (a *Activities) CopyBatch(ctx context.Context, in CopyBatchInput) (CopiedBatch, error) {
	e, err := a.ends(in.Spec)
	if err != nil {
		return CopiedBatch{}, failure(ctx, err)
	}
	b := &batchCopy{copyEnds: e, in: in}
	b.share.Store(in.BytesPerSecond)
	defer beating(ctx, b.now)()
	defer b.listen(ctx)()
	out, err := b.copy(ctx)
	if err != nil {
		err = fmt.Errorf("copy snapshot %s %s: %w", in.Label, e.way(), err)
	}
	return out, failure(ctx, err)
}

type batchCopy struct {
	copyEnds
	in      CopyBatchInput
	objects []restorepoint.Object
	share   atomic.Int64 // bytes per second; 0: no limit
	done    atomic.Int64 // objects
	bytes   atomic.Int64
}

// now is the heartbeat.
func (b *batchCopy) now() []any {
	return []any{spec.JobProgress{Statement: "COPY", Label: b.in.Label, State: "COPYING", Phase: spec.PhaseCopy, Done: int(b.done.Load()), Total: int(b.in.Batch.Objects),
		Message: fmt.Sprintf("%s of %s copied", spec.Bytes(b.bytes.Load()), spec.Bytes(b.in.Batch.Bytes))}}
}

// QueryShare is the query that a Copy answers with what one batch may move per second, in bytes; 0 is no limit.
const QueryShare = "share"

// shareInterval is how often a batch asks for its share.
const shareInterval = 2 * time.Second

// listen asks the workflow again and again what this batch may move; an answer that does not come changes nothing.
func (b *batchCopy) listen(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	run := activity.GetInfo(ctx).WorkflowExecution
	go func() {
		defer close(done)
		for sleep(ctx, shareInterval) == nil {
			var share int64
			answer, err := activity.GetClient(ctx).QueryWorkflow(ctx, run.ID, run.RunID, QueryShare)
			if err == nil && answer.Get(&share) == nil {
				b.share.Store(share)
			}
		}
	}()
	return func() { cancel(); <-done }
}

func (b *batchCopy) copy(ctx context.Context) (CopiedBatch, error) {
	if err := b.read(ctx); err != nil {
		return CopiedBatch{}, err
	}
	there, err := b.present(ctx)
	if err != nil {
		return CopiedBatch{}, err
	}
	result, err := storage.Transfer(ctx, b.from.Store, storage.LimitBandwidth(b.to.Store, b.share.Load), b.wanted(), storage.TransferOptions{
		Parallel: batchParallel,
		MD5:      func(o storage.Object) string { return o.MD5 },
		Present:  func(key string) (storage.Object, bool) { o, ok := there[key]; return o, ok },
		Progress: func(r storage.TransferResult) { b.done.Store(r.Copied + r.Present); b.bytes.Store(r.Bytes) },
	})
	if err != nil {
		return CopiedBatch{}, b.failed(ctx, err)
	}
	return CopiedBatch{Copied: result.Copied, Present: result.Present, Bytes: result.Bytes, Moved: result.Read}, nil
}

// read reads the batch's part of the plan file.
func (b *batchCopy) read(ctx context.Context) error {
	batch := b.in.Batch
	body, err := b.to.Store.Get(ctx, b.in.Plan, batch.Offset, batch.Length)
	if err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	defer body.Close()
	for o, err := range restorepoint.ReadList(body, restorepoint.ObjectList{Key: b.in.Plan, SHA256: batch.SHA256, Objects: batch.Objects, Bytes: batch.Bytes}) {
		if err != nil {
			return fmt.Errorf("read the plan: %w", err)
		}
		b.objects = append(b.objects, o)
	}
	return nil
}

func (b *batchCopy) wanted() iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		for _, o := range b.objects {
			if !yield(storage.Object{Key: o.Key, Size: o.Size, MD5: o.MD5}, nil) {
				return
			}
		}
	}
}

// present lists what the target has of the batch, where it may have something: the plan saw it, or this is not the first
// attempt.
func (b *batchCopy) present(ctx context.Context) (map[string]storage.Object, error) {
	there := map[string]storage.Object{}
	if len(b.objects) == 0 || !b.in.Batch.Look && attempt(ctx) == 1 {
		return there, nil
	}
	first, last := b.objects[0].Key, b.objects[len(b.objects)-1].Key
	for o, err := range b.to.Store.List(ctx, commonPrefix(first, last)) {
		if err != nil {
			return nil, err
		}
		if o.Key > last {
			break
		}
		if _, found := slices.BinarySearchFunc(b.objects, o.Key, func(x restorepoint.Object, key string) int { return strings.Compare(x.Key, key) }); found {
			there[o.Key] = o
		}
	}
	return there, nil
}

// commonPrefix is what both keys begin with, in whole characters.
func commonPrefix(a, b string) string {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return strings.ToValidUTF8(a[:n], "")
}

// failed tells objects that are gone or damaged from a store that does not work: the other snapshots may well be copied.
func (b *batchCopy) failed(ctx context.Context, err error) error {
	var failed *storage.TransferError
	if ctx.Err() != nil || !errors.As(err, &failed) {
		return err
	}
	kind := spec.ErrorSnapshotMissing
	for _, key := range failed.Keys() {
		switch why := failed.Failed[key]; {
		case !isDamage(why):
			return err
		case !errors.Is(why, storage.ErrNotFound):
			kind = spec.ErrorChecksumMismatch
		}
	}
	return fail(kind, "objects are gone or damaged in %s %s: %v; no restore point that needs them can be copied from there (starkeep backup verify finds which)", b.from.word(), b.from.Name, err)
}
