package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// RecordVerificationInput is all that a verification's result is made of.
type RecordVerificationInput struct {
	PlanVerifyInput
	Plan   VerifyPlan `json:"plan"`
	Verify string     `json:"verify"` // workflow id
	Ended  time.Time  `json:"ended"`
	Files  []string   `json:"files"`            // findings
	Mended []string   `json:"mended,omitempty"` // points whose manifest was repaired
}

// RecordVerification puts together what was found, tells which restore points it concerns, and writes the verification down
// on each. A point that was pruned meanwhile is left out. Doing it again writes the same.
func (a *Activities) RecordVerification(ctx context.Context, in RecordVerificationInput) (spec.VerifyResult, error) {
	defer keepAlive(ctx)()
	out, err := a.recordVerification(ctx, in)
	if err != nil {
		err = fmt.Errorf("write the verification of %s down: %w", in.Spec.Where, err)
	}
	return out, failure(ctx, err)
}

func (a *Activities) recordVerification(ctx context.Context, in RecordVerificationInput) (spec.VerifyResult, error) {
	where, err := a.storeOf("where", in.Spec.Where)
	if err != nil {
		return spec.VerifyResult{}, err
	}
	plan, err := readVerifyPlan(ctx, where.Store, in.Plan.Plan)
	if err != nil {
		return spec.VerifyResult{}, err
	}
	r := &verificationRecorder{in: in, where: where, plan: plan, sums: map[string]snapshotSum{}, tallies: map[string]map[concern]*problemTally{}}
	r.out = spec.VerifyResult{Where: where.Name, Result: spec.VerifyOK, Content: in.Spec.ContentOf(), Part: in.Plan.Part, Of: in.Plan.Of, Warnings: in.Plan.Warnings}
	if err := r.collect(ctx); err != nil {
		return spec.VerifyResult{}, err
	}
	if err := r.points(ctx); err != nil {
		return spec.VerifyResult{}, err
	}
	r.judge()
	return r.out, nil
}

// maxRemembered bounds the problems that are held to be listed.
const maxRemembered = 20_000

type verificationRecorder struct {
	in      RecordVerificationInput
	where   *Repository
	plan    *verifyPlan
	sums    map[string]snapshotSum
	tallies map[string]map[concern]*problemTally // by snapshot; "" are problems of no snapshot
	first   []found                              // to be listed
	out     spec.VerifyResult
}

// concern is whom problems concern.
type concern struct {
	point     string // alone; "": any point
	digest    string // only those that name the snapshot's record by it
	table     string // only those that refer to the partition in this snapshot
	partition string
}

// problemTally counts the problems of one concern.
type problemTally struct {
	found, repaired int64
	known           bool // a point was concerned
}

// collect reads all findings.
func (r *verificationRecorder) collect(ctx context.Context) error {
	for _, id := range r.in.Mended {
		r.add(found{Point: id, FoundObject: restorepoint.FoundObject{Repaired: true, Problem: restorepoint.Problem{
			Kind: restorepoint.ProblemContent, Key: restorepoint.ManifestKey(r.in.Spec.Cluster, id), Detail: "could not be read",
		}}})
	}
	for _, file := range r.in.Files {
		f, err := readFindings(ctx, r.where.Store, verifyKey(r.in.PlanVerifyInput, file))
		if err != nil {
			return err
		}
		for _, s := range f.Sums {
			r.sums[s.Label] = s
			r.out.Snapshots++
			r.out.Objects += s.Objects
			r.out.Bytes += s.Bytes
			r.out.Read += s.Read
			r.out.ReadBytes += s.ReadBytes
		}
		for _, p := range f.Found {
			r.add(p)
		}
		for label, more := range f.More {
			r.count(label, concern{}, more, 0)
		}
		activity.RecordHeartbeat(ctx, file)
	}
	return nil
}

func (r *verificationRecorder) add(p found) {
	repaired := int64(0)
	if p.Repaired {
		repaired = 1
	}
	r.count(p.Snapshot, concernOf(p), 1, repaired)
	if len(r.first) < maxRemembered {
		r.first = append(r.first, p)
	}
}

func concernOf(p found) concern {
	return concern{point: p.Point, digest: p.Digest, table: p.Table, partition: p.Partition}
}

func (r *verificationRecorder) count(label string, of concern, n, repaired int64) {
	r.out.Found += n
	r.out.Repaired += repaired
	if r.tallies[label] == nil {
		r.tallies[label] = map[concern]*problemTally{}
	}
	t := r.tallies[label][of]
	if t == nil {
		t = &problemTally{}
		r.tallies[label][of] = t
	}
	t.found += n
	t.repaired += repaired
}

// points writes the verification down on each point.
func (r *verificationRecorder) points(ctx context.Context) error {
	refs := make([]map[string]string, len(r.plan.Points)) // by point: digest by label
	for _, s := range r.plan.Snapshots {
		for _, ref := range s.Refs {
			for _, point := range ref.Points {
				if refs[point] == nil {
					refs[point] = map[string]string{}
				}
				refs[point][s.Label] = ref.SHA256
			}
		}
	}
	for i, id := range r.plan.Points {
		if err := r.point(ctx, id, refs[i]); err != nil {
			return err
		}
		activity.RecordHeartbeat(ctx, id)
	}
	return nil
}

func (r *verificationRecorder) point(ctx context.Context, id string, refs map[string]string) error {
	_, err := r.where.Store.Stat(ctx, restorepoint.ManifestKey(r.in.Spec.Cluster, id))
	if errors.Is(err, storage.ErrNotFound) {
		r.out.Warnings = append(r.out.Warnings, fmt.Sprintf("restore point %s was pruned meanwhile", id))
		return nil
	}
	if err != nil {
		return err
	}
	p := &verifiedPoint{recorder: r, id: id, refs: refs}
	if err := p.read(ctx); err != nil {
		return err
	}
	key, err := p.write(ctx)
	if err != nil {
		return err
	}
	row := spec.VerifiedPoint{ID: id, Result: p.record.Result, Found: p.record.Found, Repaired: p.record.Repaired, Recorded: address(r.where, key)}
	r.out.Verified++
	if row.Result == spec.VerifyDamaged {
		r.out.Damaged++
	}
	r.out.Points = append(r.out.Points, row)
	return nil
}

// verifiedPoint is a point whose verification is written down.
type verifiedPoint struct {
	recorder *verificationRecorder
	id       string
	refs     map[string]string           // digest of each snapshot's record
	parts    map[string]map[concern]bool // by snapshot: partitions that it refers to; nil: not read
	record   restorepoint.Verification
}

// read finds out which partitions the point refers to, where that matters.
func (p *verifiedPoint) read(ctx context.Context) error {
	matters := false
	for label := range p.refs {
		for of := range p.recorder.tallies[label] {
			matters = matters || of.table != ""
		}
	}
	if !matters {
		return nil
	}
	m, err := readManifest(ctx, p.recorder.where.Store, p.recorder.in.Spec.Cluster, p.id)
	if err != nil {
		return err
	}
	p.parts = map[string]map[concern]bool{}
	for _, d := range m.Databases {
		for _, t := range d.Tables {
			for _, part := range t.Partitions {
				if p.parts[part.Snapshot] == nil {
					p.parts[part.Snapshot] = map[concern]bool{}
				}
				p.parts[part.Snapshot][concern{table: t.Name, partition: part.Name}] = true
			}
		}
	}
	return nil
}

// concerned tells whether problems of a snapshot are the point's.
func (p *verifiedPoint) concerned(label string, of concern) bool {
	digest, refers := p.refs[label]
	switch {
	case of.point != "":
		return of.point == p.id
	case label == "":
		return true
	case !refers, of.digest != "" && of.digest != digest:
		return false
	}
	return of.table == "" || p.parts[label][concern{table: of.table, partition: of.partition}]
}

func (p *verifiedPoint) write(ctx context.Context) (string, error) {
	r := p.recorder
	in := r.in
	p.record = restorepoint.Verification{
		Point: p.id, Cluster: in.Spec.Cluster, Where: r.where.Name, Verify: in.Verify, At: in.At.UTC(), EndedAt: in.Ended.UTC(), Selection: selectionOf(in.Spec),
		Content: in.Spec.ContentOf(), Part: in.Plan.Part, Of: in.Plan.Of, Result: restorepoint.VerifiedOK, RepairFrom: in.Spec.RepairFrom,
	}
	p.sum("")
	for label := range p.refs {
		s, looked := r.sums[label]
		if looked {
			p.record.Snapshots++
		}
		p.record.Objects += s.Objects
		p.record.Bytes += s.Bytes
		p.record.Read += s.Read
		p.record.ReadBytes += s.ReadBytes
		p.sum(label)
	}
	if p.record.Found > p.record.Repaired {
		p.record.Result = restorepoint.VerifiedDamaged
	}
	if p.record.Found > 0 {
		p.list()
	}
	data, err := restorepoint.EncodeVerification(p.record)
	if err != nil {
		return "", err
	}
	key := restorepoint.VerificationKey(in.Spec.Cluster, p.id, in.At, in.Run)
	return key, storage.WriteAll(ctx, r.where.Store, key, data, storage.Overwrite)
}

func (p *verifiedPoint) sum(label string) {
	for of, t := range p.recorder.tallies[label] {
		if p.concerned(label, of) {
			p.record.Found += t.found
			p.record.Repaired += t.repaired
			t.known = true
		}
	}
}

func (p *verifiedPoint) list() {
	for _, f := range p.recorder.first {
		if len(p.record.Problems) == restorepoint.MaxProblems {
			return
		}
		if p.concerned(f.Snapshot, concernOf(f)) {
			p.record.Problems = append(p.record.Problems, f.FoundObject)
		}
	}
}

// judge sums up. What damages no point that was verified is a warning.
func (r *verificationRecorder) judge() {
	slices.SortFunc(r.out.Points, func(a, b spec.VerifiedPoint) int {
		return cmp.Or(cmp.Compare(a.Result, b.Result), cmp.Compare(b.ID, a.ID)) // "damaged" before "ok"
	})
	r.out.Points = r.out.Points[:min(len(r.out.Points), spec.MaxListed)]
	var unneeded int64
	for _, tallies := range r.tallies {
		for _, t := range tallies {
			if !t.known {
				unneeded += t.found - t.repaired
			}
		}
	}
	switch {
	case r.out.Damaged > 0, r.in.Spec.Native != nil && r.out.Found > r.out.Repaired:
		r.out.Result = spec.VerifyDamaged
	case unneeded > 0:
		r.out.Warnings = append(r.out.Warnings, fmt.Sprintf("%d of the problems concern partitions that none of the verified restore points needs", unneeded))
	}
	for _, f := range r.first {
		if len(r.out.Problems) == spec.MaxListed {
			return
		}
		r.out.Problems = append(r.out.Problems, spec.VerifyProblem{
			Kind: string(f.Kind), Point: f.Point, Snapshot: f.Snapshot, Database: f.Database, Table: f.Table, Partition: f.Partition, Tablet: f.Tablet, Key: f.Key,
			Detail: shortened(f.Detail), Repaired: f.Repaired,
		})
	}
}
