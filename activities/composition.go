package activities

import (
	"cmp"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// composes tells whether the unit is restored from a native snapshot that is composed for it.
func (w *work) composes() bool {
	return w.Composed != "" && (w.plan.Export != "" || w.plan.From != "" || restorepoint.Scattered(w.whole().parts))
}

// whole is the unit that a native snapshot is composed for: of a piece of one that failed, that one.
func (w *work) whole() *work {
	if w.Unit.Composed == nil {
		return w
	}
	all := *w
	all.Unit.Parts = w.Unit.Composed.Parts
	all.parts = all.Unit.Of(w.plan.Parts)
	return &all
}

// units packs the plan's parts. What lies in snapshots that cannot be composed is restored apart.
func (p *Plan) units(limits restorepoint.Limits) []restorepoint.Unit {
	if binaryMeta(p.SourceVersion) {
		return restorepoint.PackApart(p.Parts, limits)
	}
	return restorepoint.Pack(p.Parts, limits)
}

// composes tells whether one of the units needs a composed native snapshot.
func (p *Plan) composes(units []restorepoint.Unit) bool {
	return p.From != "" || slices.ContainsFunc(units, func(u restorepoint.Unit) bool { return restorepoint.Scattered(u.Of(p.Parts)) })
}

// composition is the native snapshot that is composed for a unit: its two files, and what its directories are made of. It
// follows from the plan and the records alone, so every attempt makes the same.
type composition struct {
	*work
	from      *Repository                   // holds the snapshots that are composed
	records   []restorepoint.SnapshotRecord // newest first; without tables
	info      []byte                        // with the tables' names at the target
	meta      []byte
	timestamp string
	targets   map[string]map[starrocks.TabletPath]starrocks.TabletPath // by label, by directory there
	expected  map[starrocks.TabletPath]*restorepoint.Tally             // by directory; complete when objects has gone through
	tablets   atomic.Int64                                             // directories that objects has come to
}

// composition joins the files of the snapshots that hold the unit's parts.
func (w *work) composition(ctx context.Context) (*composition, error) {
	c := &composition{work: w.whole(), from: w.source, targets: map[string]map[starrocks.TabletPath]starrocks.TabletPath{}}
	takes, err := c.takes()
	if err != nil {
		return nil, err
	}
	if err := c.readRecords(ctx, takes); err != nil {
		return nil, err
	}
	made, err := c.join(ctx, takes)
	if err != nil {
		return nil, c.disagreement(err)
	}
	c.info, c.meta, c.timestamp = made.Info, made.Meta, c.records[0].Timestamp
	if c.info, c.meta, err = starrocks.RenameTables(made.Info, made.Meta, w.Composed, w.renames()); err != nil {
		return nil, err
	}
	if err := starrocks.CheckAgreement(w.Composed, c.info, c.meta); err != nil {
		return nil, c.disagreement(err)
	}
	for _, t := range made.Copies {
		if c.targets[t.Label] == nil {
			c.targets[t.Label] = map[starrocks.TabletPath]starrocks.TabletPath{}
		}
		c.targets[t.Label][t.From] = t.To
	}
	return c, nil
}

// takes lists what is taken from each snapshot, by label.
func (c *composition) takes() (map[string][]starrocks.ComposePart, error) {
	takes := map[string][]starrocks.ComposePart{}
	var lacking error
	c.eachPart(func(_ int, p restorepoint.Part, t PlanTable) {
		i := slices.IndexFunc(t.Table.Partitions, func(x restorepoint.Partition) bool { return x.Name == p.Partition })
		if i < 0 {
			lacking = fail(spec.ErrorJobFailed, "the plan has no partition %s of table %s, please report this as a bug of starkeep", p.Partition, p.Table)
			return
		}
		versions := map[int64]int64{}
		for _, ph := range t.Table.Partitions[i].Physical {
			versions[ph.ID] = ph.Version
		}
		takes[p.Snapshot] = append(takes[p.Snapshot], starrocks.ComposePart{Table: p.Table, Partition: p.Partition, Versions: versions})
	})
	return takes, lacking
}

func (c *composition) readRecords(ctx context.Context, takes map[string][]starrocks.ComposePart) error {
	for _, label := range sortedNames(takes) {
		record, _, err := readRecord(ctx, c.from.Store, c.plan.SourceCluster, label)
		if err != nil {
			return err
		}
		record.Tables = nil
		c.records = append(c.records, record)
	}
	slices.SortFunc(c.records, func(a, b restorepoint.SnapshotRecord) int {
		return cmp.Or(b.ConsistentAt.Compare(a.ConsistentAt), cmp.Compare(a.Label, b.Label))
	})
	return nil
}

// join reads the snapshots' files one after the other.
func (c *composition) join(ctx context.Context, takes map[string][]starrocks.ComposePart) (*starrocks.Composition, error) {
	composer, err := starrocks.NewComposer(c.Composed)
	if err != nil {
		return nil, err
	}
	for _, record := range c.records {
		info, err := readChecked(ctx, c.from.Store, record.InfoKey)
		if err != nil {
			return nil, err
		}
		meta, err := readChecked(ctx, c.from.Store, record.MetaKey)
		if err != nil {
			return nil, err
		}
		err = composer.Add(starrocks.ComposeSource{Label: record.Label, Info: info, Meta: meta, Take: takes[record.Label]})
		if errors.Is(err, starrocks.ErrMetaNotJSON) {
			return nil, fail(spec.ErrorVersionUnsupported, "the __meta of snapshot %s has the binary form of StarRocks before 3.1, which cannot be composed; restore its tables alone (include)", record.Label)
		}
		if err != nil {
			return nil, err
		}
	}
	return composer.Compose()
}

// disagreement makes parts that do not fit together a failure of this unit: the other units may well go on. Trying again
// changes nothing.
func (c *composition) disagreement(err error) error {
	var d *starrocks.Disagreement
	if !errors.As(err, &d) {
		return err
	}
	return jobFailed(UnitFailure{Reason: err.Error(), State: "download"}, "%v; nothing was restored from it; restore its tables one by one, or from another restore point", err)
}

// objects goes through the objects that belong into the composed snapshot, under their keys at the source.
func (c *composition) objects(ctx context.Context) iter.Seq2[storage.Object, error] {
	c.expected = map[starrocks.TabletPath]*restorepoint.Tally{}
	c.tablets.Store(0)
	return func(yield func(storage.Object, error) bool) {
		for _, record := range c.records {
			for o, err := range recorded(ctx, c.from.Store, record) {
				if err != nil {
					yield(storage.Object{}, err)
					return
				}
				key, to, ok := c.target(o.Key)
				if !ok {
					continue
				}
				if c.expected[to] == nil {
					c.expected[to] = &restorepoint.Tally{}
					c.tablets.Add(1)
				}
				c.expected[to].Add(key.File+"."+key.MD5, o.Size)
				if !yield(storage.Object{Key: o.Key, Size: o.Size}, nil) {
					return
				}
			}
		}
	}
}

// target finds the directory that a source's object belongs into; false for what is not copied: __info, __meta, the
// repository's own file, tablets of other partitions, names that StarRocks does not read.
func (c *composition) target(name string) (key starrocks.NativeKey, to starrocks.TabletPath, ok bool) {
	key, err := starrocks.ParseKey(name)
	if err != nil || key.Kind != starrocks.KeyTabletFile || key.MD5 == "" {
		return key, to, false
	}
	to, ok = c.targets[key.Label][key.Tablet]
	return key, to, ok
}

// targetKey is the key that an object gets.
func (c *composition) targetKey(name string) string {
	key, to, _ := c.target(name)
	return c.snapshot().TabletDir(to) + key.File + "." + key.MD5
}

// copy brings the tablets' objects into the composed snapshot's directory. What is there as it should be stays.
func (c *composition) copy(ctx context.Context, progress func(storage.TransferResult)) (storage.TransferResult, error) {
	there, err := c.present(ctx)
	if err != nil {
		return storage.TransferResult{}, err
	}
	from, to := c.from.Store, c.repository.Store
	if own, ok := to.(*repositoryStore); ok && from == to {
		from, to = own.Store, own.Store // the store itself copies with fewer requests
	}
	result, err := storage.Transfer(ctx, from, to, c.objects(ctx), storage.TransferOptions{
		MD5: func(o storage.Object) string {
			key, _, _ := c.target(o.Key)
			return key.MD5
		},
		Target: c.targetKey, Present: there.object, Progress: progress,
	})
	switch {
	case err == nil:
		return result, nil
	case ctx.Err() != nil:
		return result, ctx.Err()
	}
	return result, c.notCopied(err)
}

// notCopied makes objects that are gone or damaged a failure of the parts that they belong to.
func (c *composition) notCopied(err error) error {
	var failed *storage.TransferError
	if !errors.As(err, &failed) {
		return err
	}
	lost := map[int64]bool{}
	for _, key := range failed.Keys() {
		why := failed.Failed[key]
		if !isDamage(why) {
			return fmt.Errorf("copy from repository %s: %w", c.from.Name, err)
		}
		if k, err := starrocks.ParseKey(key); err == nil {
			lost[k.Tablet.Partition] = true
		}
	}
	culprits := map[int]bool{}
	c.eachPart(func(i int, p restorepoint.Part, t PlanTable) {
		for _, x := range t.Table.Partitions {
			if x.Name == p.Partition && slices.ContainsFunc(x.Physical, func(ph restorepoint.Physical) bool { return lost[ph.ID] }) {
				culprits[i] = true
			}
		}
	})
	return jobFailed(UnitFailure{Reason: err.Error(), State: "download", Culprits: sorted(culprits)},
		"objects of the restore point are gone or damaged: %v; bring them back, or choose another restore point", err)
}

// isDamage tells errors that speak of one of StarRocks' objects, which never change, from those of a store that does not work.
// One of another size than was recorded is cut off.
func isDamage(err error) bool {
	return errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrChecksum) || errors.Is(err, storage.ErrChanged)
}

// thereAlready are objects of the composed snapshot that an earlier attempt has copied, by the MD5 of their keys: of a
// million objects it keeps some 60 MB.
type thereAlready map[[md5.Size]byte]presentObject

type presentObject struct {
	size int64
	told bool // the store tells the MD5 that the name has
}

func (c *composition) present(ctx context.Context) (thereAlready, error) {
	there := thereAlready{}
	for o, err := range c.repository.Store.List(ctx, c.snapshot().Content()) {
		if err != nil {
			return nil, err
		}
		there[md5.Sum([]byte(o.Key))] = presentObject{o.Size, o.MD5 != "" && strings.HasSuffix(o.Key, "."+o.MD5)}
	}
	return there, nil
}

func (t thereAlready) object(key string) (storage.Object, bool) {
	p, ok := t[md5.Sum([]byte(key))]
	o := storage.Object{Key: key, Size: p.size}
	if p.told {
		o.MD5 = key[strings.LastIndexByte(key, '.')+1:]
	}
	return o, ok
}

// finish writes the composed snapshot's files; __info last: it makes the snapshot.
func (c *composition) finish(ctx context.Context) error {
	if err := storage.WriteAll(ctx, c.repository.Store, c.snapshot().MetaKey(c.meta), c.meta, storage.Overwrite); err != nil {
		return err
	}
	return storage.WriteAll(ctx, c.repository.Store, c.snapshot().InfoKey(c.timestamp, c.info), c.info, storage.Overwrite)
}

// check compares the composed snapshot, as it lies in the repository, with its __info and with the records that it was made
// after: each directory with all its objects and no other, one header in each, one __info and one __meta.
func (c *composition) check(ctx context.Context) error {
	info, err := starrocks.ParseInfo(c.info)
	if err != nil {
		return err
	}
	if c.expected == nil {
		for _, err := range c.objects(ctx) {
			if err != nil {
				return err
			}
		}
	}
	found := map[starrocks.TabletPath]*restorepoint.Tally{}
	files := map[string]bool{c.snapshot().MetaKey(c.meta): false, c.snapshot().InfoKey(c.timestamp, c.info): false}
	listed := func(yield func(restorepoint.Object, error) bool) {
		for o, err := range objectsBelow(ctx, c.repository.Store, c.snapshot().Prefix()) {
			if err == nil {
				tally(found, files, o)
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
	var asked error
	problems, err := restorepoint.CheckSnapshot(c.snapshot(), info, listed, c.askOurs(ctx, &asked))
	if err = errors.Join(err, asked); err != nil {
		return err
	}
	if !problems.OK() {
		return c.damaged(problems.String())
	}
	for key, there := range files {
		if !there {
			return c.damaged(key + " is missing")
		}
	}
	for path, want := range c.expected {
		got := found[path]
		if got == nil || *got != *want {
			return c.damaged(fmt.Sprintf("%s holds %s, the records of what it was made of say %s", c.snapshot().TabletDir(path), tallied(got), tallied(want)))
		}
		delete(found, path)
	}
	for path := range found {
		return c.damaged(c.snapshot().TabletDir(path) + " was not there before")
	}
	return nil
}

func tally(found map[starrocks.TabletPath]*restorepoint.Tally, files map[string]bool, o restorepoint.Object) {
	if _, ok := files[o.Key]; ok {
		files[o.Key] = true
	}
	key, err := starrocks.ParseKey(o.Key)
	if err != nil || key.Kind != starrocks.KeyTabletFile || key.MD5 == "" {
		return
	}
	if found[key.Tablet] == nil {
		found[key.Tablet] = &restorepoint.Tally{}
	}
	found[key.Tablet].Add(key.File+"."+key.MD5, o.Size)
}

func tallied(t *restorepoint.Tally) string {
	if t == nil {
		return "nothing"
	}
	return fmt.Sprintf("%d objects of %d bytes", t.Objects, t.Bytes)
}

// damaged: the next attempt at the unit copies what is missing.
func (c *composition) damaged(what string) error {
	return jobFailed(UnitFailure{Transient: true, Reason: "the composed snapshot is not whole: " + what, State: "download"}, "the composed snapshot %s is not whole: %s", c.Composed, what)
}
