package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
)

// snapshots sorts the native snapshots: those to be marked, to be freed of their mark, and to be deleted.
func (p *pruner) snapshots(ctx context.Context) error {
	known := map[string]bool{}
	for _, l := range p.labels {
		known[l.label] = true
		f := p.files.snapshots[l.label]
		switch marked := f != nil && f.marked; {
		case l.kept > 0 && marked:
			p.plan.Marks = append(p.plan.Marks, pruneSnapshot{Label: l.label, Unmark: true})
			p.out.Unmarked++
		case l.kept > 0:
		case marked:
			if err := p.due(ctx, l.label); err != nil {
				return err
			}
		default:
			s := pruneSnapshot{Label: l.label}
			if p.ours(l) {
				s.Native, s.Objects, s.Bytes = l.native, l.objects, l.bytes
			}
			p.mark(s)
		}
	}
	for _, label := range sortedNames(p.files.snapshots) {
		if known[label] {
			continue
		}
		if err := p.unneeded(ctx, label, p.files.snapshots[label]); err != nil {
			return err
		}
	}
	return p.unrecorded(ctx)
}

func (p *pruner) mark(s pruneSnapshot) {
	p.plan.Marks = append(p.plan.Marks, s)
	p.out.Marked++
	p.out.MarkedBytes += s.Bytes
	if s.Debris {
		p.out.Debris++
	}
}

// unneeded handles a native snapshot that no restore point refers to: of a run that failed or is under way, or of points
// that an earlier prune deleted.
func (p *pruner) unneeded(ctx context.Context, label string, f *filed) error {
	switch {
	case f.marked:
		return p.due(ctx, label)
	case !f.newest.Before(p.debrisBefore):
		return nil
	}
	s := pruneSnapshot{Label: label, Debris: true}
	native, err := p.nativeOf(ctx, label)
	if err != nil {
		return err
	}
	if native != "" {
		found, alone, err := sizeOf(ctx, p.where.Store, starrocks.Snapshot{Repository: native, Label: label}.Prefix(), p.debrisBefore)
		if err != nil {
			return err
		}
		if !alone && found.objects > 0 {
			return nil
		}
		s.Native, s.Objects, s.Bytes = native, found.objects, found.bytes
	}
	p.mark(s)
	return nil
}

// nativeOf tells in which repository's directory the objects of a native snapshot lie; "" if they are not ours, or gone.
func (p *pruner) nativeOf(ctx context.Context, label string) (string, error) {
	if !restorepoint.IsOwnLabel(label) {
		return "", nil
	}
	record, _, err := readRecord(ctx, p.where.Store, p.in.Spec.Cluster, label)
	if err == nil {
		return record.Repository.NativeName, nil
	}
	if !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, restorepoint.ErrFormat) {
		return "", err
	}
	natives, err := p.natives(ctx)
	if err != nil {
		return "", err
	}
	for _, native := range natives {
		found, err := anything(ctx, p.where.Store, starrocks.Snapshot{Repository: native, Label: label}.Prefix())
		if err != nil || found {
			return native, err
		}
	}
	return "", nil
}

// due sorts a marked native snapshot by its mark's age.
func (p *pruner) due(ctx context.Context, label string) error {
	m, there, err := readMark(ctx, p.where.Store, p.in.Spec.Cluster, label)
	if err != nil || !there {
		return err
	}
	if !m.DeletedAt.IsZero() {
		return p.tombstone(ctx, label, m)
	}
	if p.in.At.Before(m.DeleteAfter) || p.in.At.Sub(m.MarkedAt) < p.grace || !m.MarkedAt.Before(p.oldest) {
		p.out.Waiting++
		return nil
	}
	p.delete(label, m)
	return nil
}

func (p *pruner) delete(label string, m restorepoint.DeletionMark) {
	p.plan.Snapshots = append(p.plan.Snapshots, pruneSnapshot{Label: label, Native: m.Native, Objects: m.Objects, Bytes: m.Bytes, Debris: m.Debris})
	p.out.Due++
	p.out.DueBytes += m.Bytes
}

// tombstone handles the mark of a native snapshot that was deleted: it goes after another grace, when nobody can be at
// deleting any more. What a BE wrote late goes too.
func (p *pruner) tombstone(ctx context.Context, label string, m restorepoint.DeletionMark) error {
	late := false
	if m.Native != "" {
		for _, err := range p.where.Store.List(ctx, starrocks.Snapshot{Repository: m.Native, Label: label}.Prefix()) {
			if err != nil {
				return err
			}
			late = true
			break
		}
	}
	switch {
	case p.in.At.Sub(m.DeletedAt) < p.grace || !m.DeletedAt.Before(p.oldest):
	case late:
		m.Objects, m.Bytes = 0, 0
		p.delete(label, m)
	default:
		p.plan.Files = append(p.plan.Files, restorepoint.MarkKey(p.in.Spec.Cluster, label))
	}
	return nil
}

// unrecorded looks for what attempts at a BACKUP and at a RESTORE have left that nothing was written down of.
func (p *pruner) unrecorded(ctx context.Context) error {
	others, err := p.others(ctx)
	if err != nil {
		return err
	}
	natives, err := p.natives(ctx)
	if err != nil {
		return err
	}
	for _, native := range natives {
		prefix := starrocks.RepositoryPrefix(native) + "__ss_"
		for dir, err := range storage.Directories(ctx, p.where.Store, prefix+restorepoint.LabelPrefix) {
			if err != nil {
				return err
			}
			label := strings.TrimPrefix(dir, prefix)
			if !restorepoint.IsOwnLabel(label) || p.files.snapshots[label] != nil || others[label] {
				continue
			}
			if _, needed := p.index[label]; needed {
				continue
			}
			if err := p.markDebris(ctx, native, label); err != nil {
				return err
			}
		}
	}
	return nil
}

// markDebris marks what nobody has written to for long enough.
func (p *pruner) markDebris(ctx context.Context, native, label string) error {
	found, alone, err := sizeOf(ctx, p.where.Store, starrocks.Snapshot{Repository: native, Label: label}.Prefix(), p.debrisBefore)
	if err != nil || !alone {
		return err
	}
	p.mark(pruneSnapshot{Label: label, Native: native, Objects: found.objects, Bytes: found.bytes, Debris: true})
	return nil
}

// natives names the directories of repositories that may hold what is ours. A mirror may hold those of several.
func (p *pruner) natives(ctx context.Context) ([]string, error) {
	if !p.where.mirror {
		return []string{p.where.Native}, nil
	}
	root := strings.TrimSuffix(starrocks.RepositoryPrefix(""), "/")
	var list []string
	for dir, err := range storage.Directories(ctx, p.where.Store, root) {
		if err != nil {
			return nil, err
		}
		list = append(list, strings.TrimPrefix(dir, root))
	}
	slices.Sort(list)
	return list, nil
}

// others lists the native snapshots that other clusters of the same store know.
func (p *pruner) others(ctx context.Context) (map[string]bool, error) {
	labels := map[string]bool{}
	for dir, err := range storage.Directories(ctx, p.where.Store, restorepoint.Root) {
		if err != nil {
			return nil, err
		}
		cluster := strings.TrimPrefix(dir, restorepoint.Root)
		if cluster == p.in.Spec.Cluster || restorepoint.CheckClusterName(cluster) != nil {
			continue
		}
		prefix := restorepoint.SnapshotsPrefix(cluster)
		for dir, err := range storage.Directories(ctx, p.where.Store, prefix) {
			if err != nil {
				return nil, err
			}
			labels[strings.TrimPrefix(dir, prefix)] = true
		}
	}
	return labels, nil
}

// leftFiles finds what else is left: of points without a manifest, of runs that are over, and what restores have written
// into native snapshots.
func (p *pruner) leftFiles(ctx context.Context) error {
	cluster := p.in.Spec.Cluster
	for _, id := range sortedNames(p.files.points) {
		if f := p.files.points[id]; !f.manifest && p.in.At.Sub(f.newest) >= p.grace {
			p.plan.Files = append(p.plan.Files, restorepoint.PointPrefix(cluster)+id+"/")
		}
	}
	for _, prefix := range sortedNames(p.files.runs) {
		if !p.files.runs[prefix].newest.Before(p.debrisBefore) {
			continue
		}
		if err := p.halfExport(ctx, prefix); err != nil {
			return err
		}
		p.plan.Files = append(p.plan.Files, prefix)
	}
	return p.besides(ctx)
}

// halfExport marks the native snapshot that an export was to make, if it never became one.
func (p *pruner) halfExport(ctx context.Context, prefix string) error {
	if p.where.mirror || !strings.HasPrefix(prefix, strings.TrimSuffix(restorepoint.PlanPrefix(p.in.Spec.Cluster, "export-"), "/")) {
		return nil
	}
	for o, err := range p.where.Store.List(ctx, prefix) {
		if err != nil {
			return err
		}
		plan, err := p.exportPlan(ctx, o.Key)
		if err != nil {
			return err
		}
		if plan == nil || plan.Export == "" || p.files.snapshots[plan.Export] != nil {
			continue
		}
		at := starrocks.Snapshot{Repository: p.where.Native, Label: plan.Export}
		whole, err := anything(ctx, p.where.Store, at.InfoPrefix(""))
		if err != nil {
			return err
		}
		if !whole {
			if err := p.markDebris(ctx, at.Repository, at.Label); err != nil {
				return err
			}
		}
	}
	return nil
}

// exportPlan reads a plan; nil if it is none of this starkeep's.
func (p *pruner) exportPlan(ctx context.Context, key string) (*Plan, error) {
	packed, err := storage.ReadAll(ctx, p.where.Store, key, maxPlanBytes)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	plan, err := readPlan(ctx, p.where.Store, PlanRef{Key: key, SHA256: restorepoint.Digest(packed)})
	var typed *storage.Error
	if errors.As(err, &typed) {
		return nil, err
	}
	if err != nil {
		return nil, nil
	}
	return plan, nil
}

func anything(ctx context.Context, store storage.Store, prefix string) (bool, error) {
	for _, err := range store.List(ctx, prefix) {
		return err == nil, err
	}
	return false, nil
}

// besides finds the __info files that restores wrote into snapshots which stay, and never removed.
func (p *pruner) besides(ctx context.Context) error {
	var mu sync.Mutex
	work, all := errgroup.WithContext(ctx)
	work.SetLimit(sideBySide)
	for _, l := range p.labels {
		if l.kept == 0 || l.native == "" {
			continue
		}
		work.Go(func() error {
			keys, err := p.besidesIn(all, l)
			mu.Lock()
			defer mu.Unlock()
			p.plan.Files = append(p.plan.Files, keys...)
			return err
		})
	}
	err := work.Wait()
	slices.Sort(p.plan.Files)
	return err
}

func (p *pruner) besidesIn(ctx context.Context, l labelled) (keys []string, err error) {
	at := starrocks.Snapshot{Repository: l.native, Label: l.label}
	for o, err := range p.where.Store.List(ctx, at.InfoPrefix("")) {
		if err != nil {
			return nil, err
		}
		if o.Key == l.infoKey || !o.Modified.Before(p.debrisBefore) {
			continue
		}
		ours, err := (&work{repository: p.where}).isOurs(ctx, o.Key)
		if err != nil {
			return nil, fmt.Errorf("snapshot %s: %w", l.label, err)
		}
		if ours {
			keys = append(keys, o.Key)
		}
	}
	return keys, nil
}
