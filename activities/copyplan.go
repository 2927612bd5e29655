package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

const (
	maxPlannedPoints    = 5000 // that one plan names; the next has the rest
	maxPlannedSnapshots = 500
	copyHeartbeat       = 30 * time.Second // where no cluster profile says another
)

// PlanCopyInput asks which restore points are to be copied.
type PlanCopyInput struct {
	Spec    spec.Copy `json:"spec"`
	Offered []string  `json:"offered,omitempty"` // ids of points that backups have published meanwhile
}

// CopyPlan names restore points that the target lacks, oldest first.
type CopyPlan struct {
	Points    []string      `json:"points,omitempty"`
	More      int           `json:"more,omitempty"` // how many others there are
	Held      int64         `json:"held,omitempty"` // that were meant and are there already
	Heartbeat spec.Duration `json:"heartbeat"`
}

// PlanCopy compares the manifests of both stores. It reads no more than a listing of each, and the heads of the points
// that a Copy of what is behind may mean. SnapshotMissing for a point that is not there.
func (a *Activities) PlanCopy(ctx context.Context, in PlanCopyInput) (CopyPlan, error) {
	defer keepAlive(ctx)()
	e, err := a.ends(in.Spec)
	if err != nil {
		return CopyPlan{}, failure(ctx, err)
	}
	plan, err := e.choose(ctx, in)
	plan.Heartbeat = spec.Duration(copyHeartbeat)
	if c, ok := a.clusters[in.Spec.Cluster]; ok {
		plan.Heartbeat = spec.Duration(c.Timing.Heartbeat)
	}
	return plan, failure(ctx, err)
}

// copyEnds are the two stores of a copy.
type copyEnds struct {
	cluster  string // whose points are copied
	from, to *Repository
}

func (a *Activities) ends(in spec.Copy) (copyEnds, error) {
	from, err := a.storeOf("from", in.From)
	if err != nil {
		return copyEnds{}, err
	}
	to, err := a.storeOf("to", in.To)
	return copyEnds{in.Cluster, from, to}, err
}

// way says in messages what is copied where.
func (e copyEnds) way() string {
	return fmt.Sprintf("from %s %s to %s %s", e.from.word(), e.from.Name, e.to.word(), e.to.Name)
}

func (e copyEnds) choose(ctx context.Context, in PlanCopyInput) (CopyPlan, error) {
	if in.Spec.Point != "" {
		return e.chooseOne(ctx, in.Spec.Point)
	}
	from, err := pointFiles(ctx, e.from.Store, e.cluster)
	if err != nil {
		return CopyPlan{}, fmt.Errorf("list the restore points of cluster %s: %w", e.cluster, err)
	}
	to, err := pointFiles(ctx, e.to.Store, e.cluster)
	if err != nil {
		return CopyPlan{}, fmt.Errorf("list the restore points of cluster %s: %w", e.cluster, err)
	}
	var plan CopyPlan
	for _, id := range from.ids {
		if _, held := slices.BinarySearch(to.ids, id); held {
			plan.Held++
			continue
		}
		meant := !in.Spec.Behind || slices.Contains(in.Offered, id)
		if !meant {
			if meant, err = e.behind(ctx, id, to.ids); err != nil {
				return CopyPlan{}, err
			}
		}
		switch {
		case !meant:
		case len(plan.Points) < maxPlannedPoints:
			plan.Points = append(plan.Points, id)
		default:
			plan.More++
		}
	}
	if in.Spec.Behind {
		plan.Held = 0 // they may have come in other ways
	}
	return plan, nil
}

func (e copyEnds) chooseOne(ctx context.Context, point string) (CopyPlan, error) {
	id, err := choosePoint(ctx, e.from.Store, e.cluster, point)
	if err != nil {
		return CopyPlan{}, err
	}
	switch held, err := e.holds(ctx, id); {
	case err != nil:
		return CopyPlan{}, err
	case held:
		return CopyPlan{Held: 1}, nil
	}
	return CopyPlan{Points: []string{id}}, nil
}

// holds tells whether the target has a point whole: its manifest comes last.
func (e copyEnds) holds(ctx context.Context, id string) (bool, error) {
	_, err := e.to.Store.Stat(ctx, restorepoint.ManifestKey(e.cluster, id))
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// behind tells a point that its backup meant for the target. What is older than the target's newest was left out, or
// pruned there, on purpose.
func (e copyEnds) behind(ctx context.Context, id string, held []string) (bool, error) {
	if len(held) > 0 && id < held[len(held)-1] {
		return false, nil
	}
	head, err := e.head(ctx, id)
	if err != nil {
		return false, err
	}
	var in spec.Backup
	return json.Unmarshal(head.Spec, &in) == nil && slices.Contains(in.Mirrors, e.to.Name), nil
}

func (e copyEnds) head(ctx context.Context, id string) (restorepoint.PointHead, error) {
	body, err := e.from.Store.Get(ctx, restorepoint.ManifestKey(e.cluster, id), 0, -1)
	if errors.Is(err, storage.ErrNotFound) {
		return restorepoint.PointHead{}, fail(spec.ErrorSnapshotMissing, "no restore point %s of cluster %s in %s %s: it was pruned meanwhile, or never there", id, e.cluster, e.from.word(), e.from.Name)
	}
	if err != nil {
		return restorepoint.PointHead{}, err
	}
	defer body.Close()
	head, err := restorepoint.ReadHead(body)
	if err != nil {
		err = fmt.Errorf("restore point %s: %w", id, err)
	}
	return head, err
}

// PointCopyInput asks what of a restore point is to be copied.
type PointCopyInput struct {
	Spec  spec.Copy `json:"spec"`
	Point string    `json:"point"`
}

// PointCopy names native snapshots that a point needs and the target lacks.
type PointCopy struct {
	Snapshots []SnapshotToCopy `json:"snapshots,omitempty"` // at most maxPlannedSnapshots
	Count     int              `json:"count"`               // of all
	Bytes     int64            `json:"bytes"`
}

// SnapshotToCopy is a native snapshot that the target lacks.
type SnapshotToCopy struct {
	Label  string `json:"label"`
	SHA256 string `json:"sha256,omitempty"` // of its record, as the manifest has it; "" if no manifest refers to it yet
	Bytes  int64  `json:"bytes,omitempty"`
}

// PlanPointCopy finds the native snapshots of a point that the target has not: those whose record it lacks, for a record
// is copied after all its objects.
func (a *Activities) PlanPointCopy(ctx context.Context, in PointCopyInput) (PointCopy, error) {
	defer keepAlive(ctx)()
	e, err := a.ends(in.Spec)
	if err != nil {
		return PointCopy{}, failure(ctx, err)
	}
	plan, err := e.planPoint(ctx, in.Point)
	if err != nil {
		err = fmt.Errorf("copy restore point %s %s: %w", in.Point, e.way(), err)
	}
	return plan, failure(ctx, err)
}

func (e copyEnds) planPoint(ctx context.Context, point string) (PointCopy, error) {
	head, err := e.head(ctx, point)
	if err != nil {
		return PointCopy{}, err
	}
	if err := e.sameName(head.Snapshots); err != nil {
		return PointCopy{}, err
	}
	var plan PointCopy
	for s, err := range e.lacking(ctx, head.Snapshots) {
		if err != nil {
			return PointCopy{}, err
		}
		plan.Count++
		plan.Bytes += s.Bytes
		if len(plan.Snapshots) < maxPlannedSnapshots {
			plan.Snapshots = append(plan.Snapshots, SnapshotToCopy{Label: s.Label, SHA256: s.SHA256, Bytes: s.Bytes})
		}
	}
	return plan, nil
}
