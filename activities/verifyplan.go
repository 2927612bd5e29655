package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// PlanVerifyInput asks for the plan of a verification. Run tells its files apart from others'.
type PlanVerifyInput struct {
	Spec spec.Verify `json:"spec"`
	Run  string      `json:"run"`
	At   time.Time   `json:"at"` // when it began
}

// VerifyPlan is the plan of a verification as a history holds it.
type VerifyPlan struct {
	Plan       PlanRef  `json:"plan"`
	Points     int      `json:"points"`
	Unreadable []string `json:"unreadable,omitempty"` // points whose manifest cannot be read
	Groups     int      `json:"groups"`               // of native snapshots that are looked at together
	Snapshots  int64    `json:"snapshots"`
	Bytes      int64    `json:"bytes"`          // of their objects
	Part       int      `json:"part,omitempty"` // which part of a sample is read, 1 to Of
	Of         int      `json:"of,omitempty"`
	Found      int64    `json:"found,omitempty"` // problems, in a file of findings
	Warnings   []string `json:"warnings,omitempty"`

	Heartbeat spec.Duration `json:"heartbeat,omitzero"` // the cluster profile's, where there is one
}

// PlanFindings is the file of what the plan of a verification found.
const PlanFindings = "p"

// A group of native snapshots is looked at by one activity.
const (
	maxGroupObjects   = 100_000
	maxGroupSnapshots = 100
)

// verifyPlan is the plan's file.
type verifyPlan struct {
	Format    int              `json:"format"`
	Points    []string         `json:"points"`
	Snapshots []verifySnapshot `json:"snapshots"` // by label
	Groups    []int            `json:"groups"`    // where each ends among the snapshots
}

// group gives the snapshots of a group, as indexes.
func (p *verifyPlan) group(n int) (from, to int) {
	if n > 0 {
		from = p.Groups[n-1]
	}
	return from, p.Groups[n]
}

// verifySnapshot is a native snapshot that points refer to.
type verifySnapshot struct {
	Label   string      `json:"label"`
	Native  string      `json:"native"` // repository as StarRocks names it
	Objects int64       `json:"objects"`
	Bytes   int64       `json:"bytes"`
	Refs    []verifyRef `json:"refs,omitempty"`
}

func (s verifySnapshot) at() starrocks.Snapshot {
	return starrocks.Snapshot{Repository: s.Native, Label: s.Label}
}

// verifyRef are the points that name a snapshot's record by one digest. There is one such digest, unless a manifest was
// changed.
type verifyRef struct {
	SHA256 string `json:"sha256"`
	Points []int  `json:"points"` // indexes
}

// found is a problem, with what it takes to repair it and to tell whom it concerns.
type found struct {
	restorepoint.FoundObject
	Point  string `json:"point,omitempty"`  // that it concerns alone
	Digest string `json:"digest,omitempty"` // it concerns only the points that name the snapshot's record by it
	SHA256 string `json:"sha256,omitempty"` // what one of starkeep's own files must have
}

// PlanVerify finds the restore points that are meant and the native snapshots that they refer to, each once, and chooses the
// part of a sample. A manifest that cannot be read is a problem, and goes into a file of findings. SnapshotMissing for
// points that do not exist.
func (a *Activities) PlanVerify(ctx context.Context, in PlanVerifyInput) (VerifyPlan, error) {
	defer keepAlive(ctx)()
	plan, err := a.planVerify(ctx, in)
	if err != nil {
		err = fmt.Errorf("plan the verification of %s: %w", in.Spec.Where, err)
	}
	return plan, failure(ctx, err)
}

func (a *Activities) planVerify(ctx context.Context, in PlanVerifyInput) (VerifyPlan, error) {
	p := &verifyPlanner{in: in, labels: map[string]int{}}
	if c, known := a.clusters[in.Spec.Cluster]; known {
		p.out.Heartbeat = spec.Duration(c.Timing.Heartbeat)
	}
	var err error
	if p.where, err = a.storeOf("where", in.Spec.Where); err != nil {
		return VerifyPlan{}, err
	}
	if in.Spec.RepairFrom != "" {
		if p.other, err = a.storeOf("repairFrom", in.Spec.RepairFrom); err != nil {
			return VerifyPlan{}, err
		}
	}
	if in.Spec.Native != nil {
		err = p.native()
	} else {
		err = p.points(ctx)
	}
	if err != nil {
		return VerifyPlan{}, err
	}
	p.group()
	return p.store(ctx)
}

type verifyPlanner struct {
	in           PlanVerifyInput
	where, other *Repository // other: repairs come from there; nil: from nowhere
	files        pointKeys
	plan         verifyPlan
	found        findings
	out          VerifyPlan
	labels       map[string]int // index of a snapshot
}

func (p *verifyPlanner) native() error {
	if p.where.Native == "" {
		return invalid(`field "native": %s is a mirror; a native snapshot by itself is verified in a repository`, p.where.Name)
	}
	p.plan.Snapshots = []verifySnapshot{{Label: p.in.Spec.Native.Label, Native: p.where.Native}}
	return nil
}

func (p *verifyPlanner) points(ctx context.Context) (err error) {
	cluster := p.in.Spec.Cluster
	if p.files, err = pointFiles(ctx, p.where.Store, cluster); err != nil {
		return err
	}
	ids, all, err := p.chosen(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := p.point(ctx, id, all); err != nil {
			return err
		}
		activity.RecordHeartbeat(ctx, id)
	}
	return p.repositoryFiles(ctx)
}

// chosen lists the points that are meant.
func (p *verifyPlanner) chosen(ctx context.Context) (ids []string, all bool, err error) {
	asked := p.in.Spec.Points
	if slices.Equal(asked, []string{spec.AllPoints}) {
		if len(p.files.ids) == 0 {
			return nil, true, fail(spec.ErrorNothingToDo, "cluster %s has no restore point in %s", p.in.Spec.Cluster, p.where.Name)
		}
		return p.files.ids, true, nil
	}
	if len(asked) == 0 {
		asked = []string{spec.LatestPoint}
	}
	for _, point := range asked {
		id, err := choosePoint(ctx, p.where.Store, p.in.Spec.Cluster, point)
		if err != nil {
			return nil, false, err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, false, nil
}

// point reads a manifest and takes in what it refers to. One that is gone since all were listed was pruned.
func (p *verifyPlanner) point(ctx context.Context, id string, listed bool) error {
	cluster := p.in.Spec.Cluster
	if _, err := restorepoint.ParsePointID(id); err != nil {
		return invalid("%v", err)
	}
	data, err := storage.ReadAll(ctx, p.where.Store, restorepoint.ManifestKey(cluster, id), maxManifestBytes)
	switch {
	case errors.Is(err, storage.ErrNotFound) && listed:
		return nil
	case errors.Is(err, storage.ErrNotFound):
		return fail(spec.ErrorSnapshotMissing, "no restore point %s of cluster %s in %s; `starkeep backup list` shows those there are", id, cluster, p.where.Name)
	case err != nil:
		return err
	}
	p.plan.Points = append(p.plan.Points, id)
	m, problem := manifestOf(data, cluster, id)
	if problem != "" {
		p.out.Unreadable = append(p.out.Unreadable, id)
		p.manifestProblem(id, problem)
		return nil
	}
	if err := p.compareManifest(ctx, id, data); err != nil {
		return err
	}
	for _, s := range m.Snapshots {
		p.refer(m.Repository.NativeName, s)
	}
	return nil
}

// manifestOf decodes a manifest, or says why it is none of that point.
func manifestOf(data []byte, cluster, id string) (m restorepoint.Manifest, problem string) {
	m, err := restorepoint.DecodeManifest(data)
	switch {
	case err != nil:
		return m, err.Error()
	case m.ID != id || m.Cluster.Name != cluster:
		return m, fmt.Sprintf("is the manifest of restore point %s of cluster %s", m.ID, m.Cluster.Name)
	}
	return m, ""
}

func (p *verifyPlanner) manifestProblem(id, detail string) {
	p.found.add(found{Point: id, FoundObject: restorepoint.FoundObject{Problem: restorepoint.Problem{
		Kind: restorepoint.ProblemContent, Key: restorepoint.ManifestKey(p.in.Spec.Cluster, id), Detail: detail,
	}}})
}

// compareManifest looks at the manifest's copy in the store that repairs come from: nothing else tells of a manifest that was
// changed and still makes sense.
func (p *verifyPlanner) compareManifest(ctx context.Context, id string, data []byte) error {
	if p.other == nil {
		return nil
	}
	copied, err := storage.ReadAll(ctx, p.other.Store, restorepoint.ManifestKey(p.in.Spec.Cluster, id), maxManifestBytes)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, unreadable := manifestOf(copied, p.in.Spec.Cluster, id); unreadable == "" && restorepoint.Digest(copied) != restorepoint.Digest(data) {
		p.manifestProblem(id, fmt.Sprintf("differs from its copy at %s, and both can be read: one of them was changed", p.other.Name))
	}
	return nil
}

// refer takes in a native snapshot of the point that was added last.
func (p *verifyPlanner) refer(native string, s restorepoint.SnapshotRef) {
	point := len(p.plan.Points) - 1
	n, known := p.labels[s.Label]
	if !known {
		n = len(p.plan.Snapshots)
		p.labels[s.Label] = n
		p.plan.Snapshots = append(p.plan.Snapshots, verifySnapshot{Label: s.Label, Native: native, Objects: s.Objects, Bytes: s.Bytes})
	}
	snapshot := &p.plan.Snapshots[n]
	for i := range snapshot.Refs {
		if snapshot.Refs[i].SHA256 == s.SHA256 {
			snapshot.Refs[i].Points = append(snapshot.Refs[i].Points, point)
			return
		}
	}
	snapshot.Refs = append(snapshot.Refs, verifyRef{SHA256: s.SHA256, Points: []int{point}})
}

// repositoryFiles looks for the file without which StarRocks sees no repository.
func (p *verifyPlanner) repositoryFiles(ctx context.Context) error {
	seen := map[string]bool{}
	for _, s := range p.plan.Snapshots {
		if seen[s.Native] {
			continue
		}
		seen[s.Native] = true
		key := starrocks.RepoInfoKey(s.Native)
		_, err := p.where.Store.Stat(ctx, key)
		if errors.Is(err, storage.ErrNotFound) {
			p.found.add(found{FoundObject: restorepoint.FoundObject{Problem: restorepoint.Problem{
				Kind: restorepoint.ProblemMissing, Key: key, Detail: "is missing: StarRocks sees no repository here",
			}}})
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// group divides the snapshots.
func (p *verifyPlanner) group() {
	slices.SortFunc(p.plan.Snapshots, func(a, b verifySnapshot) int { return strings.Compare(a.Label, b.Label) })
	objects, first := int64(0), 0
	for i, s := range p.plan.Snapshots {
		if i > first && (objects+s.Objects > maxGroupObjects || i-first == maxGroupSnapshots) {
			p.plan.Groups = append(p.plan.Groups, i)
			objects, first = 0, i
		}
		objects += s.Objects
		p.out.Bytes += s.Bytes
	}
	if n := len(p.plan.Snapshots); n > 0 {
		p.plan.Groups = append(p.plan.Groups, n)
	}
}

// store chooses the part of a sample and writes the plan's file.
func (p *verifyPlanner) store(ctx context.Context) (VerifyPlan, error) {
	if of := p.in.Spec.SampleParts(); p.in.Spec.ContentOf() == spec.ContentSample {
		earlier, err := lastVerifications(ctx, p.where.Store, p.files)
		if err != nil {
			return VerifyPlan{}, err
		}
		p.out.Part, p.out.Of = restorepoint.NextPart(earlier, selectionOf(p.in.Spec), of, p.in.At), of
	}
	p.plan.Format = planFormat
	packed, err := packPlan(verifyKey(p.in, "plan"), "verification", p.plan)
	if err != nil {
		return VerifyPlan{}, err
	}
	if err := writePlans(ctx, p.where.Store, []packedPlan{packed}); err != nil {
		return VerifyPlan{}, err
	}
	if p.out.Found = p.found.total(); p.out.Found > 0 {
		if err := p.found.write(ctx, p.where.Store, verifyKey(p.in, PlanFindings)); err != nil {
			return VerifyPlan{}, err
		}
	}
	p.out.Plan, p.out.Points = packed.ref, len(p.plan.Points)
	p.out.Groups, p.out.Snapshots = len(p.plan.Groups), int64(len(p.plan.Snapshots))
	return p.out, nil
}

// selectionOf names the points that were asked for. Samples take turns among verifications of one selection.
func selectionOf(in spec.Verify) string {
	if len(in.Points) == 0 {
		return spec.LatestPoint
	}
	return strings.Join(in.Points, " ")
}

// verifyKey is where a file of a verification lies.
func verifyKey(in PlanVerifyInput, file string) string {
	return restorepoint.PlanKey(in.Spec.Cluster, in.Run, "~verify-"+file)
}

// readVerifyPlan reads the plan's file.
func readVerifyPlan(ctx context.Context, store storage.Store, ref PlanRef) (*verifyPlan, error) {
	var p verifyPlan
	if err := unpackPlan(ctx, store, ref, &p); err != nil {
		return nil, err
	}
	if err := planFormatKnown(ref, p.Format, planFormat); err != nil {
		return nil, err
	}
	return &p, nil
}
