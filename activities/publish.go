package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// maxManifestBytes bounds a manifest in memory: some two million partitions.
const maxManifestBytes = 1 << 30

// DatabaseOutcome is what became of one database of a backup.
type DatabaseOutcome struct {
	Database  string                   `json:"database"`
	Plan      PlanRef                  `json:"plan"`
	Completed []Attempt                `json:"completed,omitempty"`
	Failures  []restorepoint.FailedSet `json:"failures,omitempty"`
}

// Attempt names a unit's statement that succeeded; with the run it makes the label.
type Attempt struct {
	Unit    int `json:"unit"`
	Attempt int `json:"attempt"`
}

// PublishInput is all that a manifest is made of.
type PublishInput struct {
	Spec      spec.Backup       `json:"spec"`
	Point     string            `json:"point"`
	Run       string            `json:"run"` // seed of the labels
	Created   time.Time         `json:"created"`
	Databases []DatabaseOutcome `json:"databases"`
}

// Published sums up a restore point.
type Published struct {
	Point       string            `json:"point"` // "" when nothing was there to publish
	Complete    bool              `json:"complete"`
	Carried     int64             `json:"carried,omitempty"`
	Failed      []spec.FailedPart `json:"failed,omitempty"`
	FailedCount int64             `json:"failedCount"`
	NotCovered  []spec.NotCovered `json:"notCovered,omitempty"`
}

// PublishManifest makes the restore point: it writes the manifest, if absent. One that is there already is from an
// earlier attempt at publishing, and stands.
func (a *Activities) PublishManifest(ctx context.Context, in PublishInput) (Published, error) {
	defer keepAlive(ctx)()
	_, r, err := a.both(in.Spec.Cluster, in.Spec.Repository)
	if err != nil {
		return Published{}, failure(ctx, err)
	}
	out, err := (&publisher{in: in, repository: r}).publish(ctx, a)
	if err != nil {
		err = fmt.Errorf("publish restore point %s: %w", in.Point, err)
	}
	return out, failure(ctx, err)
}

type publisher struct {
	in         PublishInput
	repository *Repository
	manifest   restorepoint.Manifest
}

func (p *publisher) publish(ctx context.Context, a *Activities) (Published, error) {
	raw, err := json.Marshal(p.in.Spec)
	if err != nil {
		return Published{}, err
	}
	p.manifest = restorepoint.Manifest{
		ID: p.in.Point, Cluster: restorepoint.Cluster{Name: p.in.Spec.Cluster}, CreatedAt: p.in.Created.UTC().Truncate(time.Millisecond),
		Repository: restorepoint.Repository{Name: p.repository.Name, NativeName: p.repository.Native, Location: p.repository.Location},
		Tags:       p.in.Spec.Tags, Spec: raw,
	}
	plans := map[string]*Plan{}
	for _, d := range p.in.Databases {
		if plans[d.Database], err = a.plan(ctx, p.repository.Store, d.Plan); err != nil {
			return Published{}, err
		}
		p.notDone(plans[d.Database], d.Failures)
	}
	if err := p.forgetDropped(ctx, a); err != nil {
		return Published{}, err
	}
	if err := p.carry(ctx); err != nil {
		return Published{}, err
	}
	if err := p.carryBase(ctx, plans); err != nil {
		return Published{}, err
	}
	for _, d := range p.in.Databases {
		if err := p.add(ctx, d, plans[d.Database]); err != nil {
			return Published{}, err
		}
		p.manifest.AddObjects(d.Database, 0, plans[d.Database].Objects)
	}
	if len(p.manifest.Snapshots) == 0 && (len(p.manifest.Failed) > 0 || len(p.manifest.Databases) == 0) {
		return p.summary(""), nil
	}
	if err := p.nameCluster(ctx, a); err != nil {
		return Published{}, err
	}
	return p.write(ctx)
}

// nameCluster fills in what the records of snapshots say, where a point holds views alone.
func (p *publisher) nameCluster(ctx context.Context, a *Activities) error {
	if p.manifest.Cluster.ID != 0 {
		return nil
	}
	leader, err := a.clusters[p.in.Spec.Cluster].FE.Leader(ctx)
	if err != nil {
		return fmt.Errorf("look for the leader of cluster %s: %w", p.in.Spec.Cluster, err)
	}
	p.manifest.Cluster.ID, p.manifest.Cluster.Version = leader.ClusterID, leader.Version
	return nil
}

// notDone lists what was selected and is missing, or not covered.
func (p *publisher) notDone(plan *Plan, failures []restorepoint.FailedSet) {
	p.manifest.NotCovered = append(p.manifest.NotCovered, plan.NotCovered...)
	p.manifest.Failed = append(p.manifest.Failed, plan.Refused...)
	for _, f := range failures {
		for _, i := range (restorepoint.Unit{Parts: f.Parts}).Indexes() {
			part := plan.Parts[i]
			p.manifest.Failed = append(p.manifest.Failed, restorepoint.FailedObject{
				Database: plan.Database, Table: part.Table, Partition: part.Partition, Reason: f.Reason,
			})
		}
	}
}

// forgetDropped takes what does not exist any more off the list of failures: a partition that was dropped while the
// backup ran is no failure of the backup. It is named as not covered.
func (p *publisher) forgetDropped(ctx context.Context, a *Activities) error {
	there := map[string]map[restorepoint.Place]bool{}
	kept := p.manifest.Failed[:0]
	for _, f := range p.manifest.Failed {
		if f.Partition == "" {
			kept = append(kept, f)
			continue
		}
		if there[f.Database] == nil {
			now, err := partitionsNow(ctx, a.clusters[p.in.Spec.Cluster], f.Database)
			if err != nil {
				return err
			}
			there[f.Database] = now
		}
		if there[f.Database][restorepoint.Place{Table: f.Table, Partition: f.Partition}] {
			kept = append(kept, f)
			continue
		}
		p.manifest.NotCovered = append(p.manifest.NotCovered, restorepoint.NotCovered{
			Database: f.Database, Name: f.Table + "/" + f.Partition, Kind: "partition", Reason: "dropped while the backup ran",
		})
	}
	p.manifest.Failed = kept
	return nil
}

func partitionsNow(ctx context.Context, c *Cluster, database string) (map[restorepoint.Place]bool, error) {
	now := map[restorepoint.Place]bool{}
	for row, err := range c.FE.Partitions(ctx, database) {
		if errors.Is(err, starrocks.ErrUnknownDatabase) {
			return now, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list the partitions of database %s: %w", database, err)
		}
		now[restorepoint.Place{Table: row.Table, Partition: row.Name}] = true
	}
	return now, nil
}

// carry takes over from the resumed point what it has.
func (p *publisher) carry(ctx context.Context) error {
	if p.in.Spec.Resume == "" {
		return nil
	}
	parent, err := readManifest(ctx, p.repository.Store, p.in.Spec.Cluster, p.in.Spec.Resume)
	if err != nil {
		return err
	}
	p.manifest.Parent, p.manifest.Selected = parent.ID, selected(parent)
	p.manifest.NotCovered = append(p.manifest.NotCovered, parent.NotCovered...)
	for _, d := range parent.Databases {
		p.manifest.AddObjects(d.Name, d.ID, d.Objects)
	}
	return p.manifest.Carry(parent, func(string, restorepoint.Table, restorepoint.Partition) bool { return true })
}

// selected is what the backup was of that made a point.
func selected(m restorepoint.Manifest) *restorepoint.Selected {
	if m.Selected != nil {
		return m.Selected
	}
	var in restorepoint.Selected
	_ = json.Unmarshal(m.Spec, &in) // a spec of another starkeep tells nothing
	return &in
}

// add puts a database's snapshots in, as their records tell.
func (p *publisher) add(ctx context.Context, d DatabaseOutcome, plan *Plan) error {
	for _, c := range d.Completed {
		label := restorepoint.Label(d.Database, p.in.Run, c.Unit, c.Attempt)
		record, sum, err := readRecord(ctx, p.repository.Store, p.in.Spec.Cluster, label)
		if err != nil {
			return err
		}
		p.manifest.Cluster = record.Cluster
		if plan.Base != "" {
			p.giveUpCarried(record)
		}
		if err := p.manifest.Add(record, sum); err != nil {
			if !errors.Is(err, restorepoint.ErrTableChanged) {
				return err
			}
			p.left(record, err)
		}
		activity.RecordHeartbeat(ctx, label)
	}
	return nil
}

// left reports a snapshot whose tables no longer fit the others': better missing than mixed.
func (p *publisher) left(record restorepoint.SnapshotRecord, why error) {
	for _, t := range record.Tables {
		for _, partition := range t.Partitions {
			p.manifest.Failed = append(p.manifest.Failed, restorepoint.FailedObject{
				Database: record.Database, Table: t.Name, Partition: partition.Name, Reason: why.Error(),
			})
		}
	}
}

func (p *publisher) write(ctx context.Context) (Published, error) {
	p.manifest.Sort()
	p.manifest.NotCovered = slices.Compact(p.manifest.NotCovered)
	p.manifest.Complete = len(p.manifest.Failed) == 0
	data, err := restorepoint.EncodeManifest(p.manifest)
	if err != nil {
		return Published{}, fail(spec.ErrorJobFailed, "the native snapshots make no restore point, please report this as a bug of starkeep: %v", err)
	}
	err = commitManifest(ctx, p.repository.Store, p.in.Spec.Cluster, p.manifest, data)
	if errors.Is(err, storage.ErrExists) {
		err = p.published(ctx)
	}
	if err != nil {
		return Published{}, err
	}
	return p.summary(p.in.Point), nil
}

// published takes the manifest that is there already for the truth: only this run can have written it, for its id comes
// from the run, and an earlier attempt may have seen a partition that is dropped by now.
func (p *publisher) published(ctx context.Context) error {
	there, err := readManifest(ctx, p.repository.Store, p.in.Spec.Cluster, p.in.Point)
	if err != nil {
		return err
	}
	p.manifest = there
	return nil
}

// carried counts the partitions that lie in native snapshots which this run has not made.
func (p *publisher) carried() (n int64) {
	made := map[string]bool{}
	for _, d := range p.in.Databases {
		for _, c := range d.Completed {
			made[restorepoint.Label(d.Database, p.in.Run, c.Unit, c.Attempt)] = true
		}
	}
	for _, d := range p.manifest.Databases {
		for _, t := range d.Tables {
			for _, part := range t.Partitions {
				if !made[part.Snapshot] {
					n++
				}
			}
		}
	}
	return n
}

func (p *publisher) summary(point string) Published {
	out := Published{Point: point, Complete: p.manifest.Complete, Carried: p.carried(), FailedCount: int64(len(p.manifest.Failed))}
	for _, f := range p.manifest.Failed[:min(len(p.manifest.Failed), spec.MaxListed)] {
		out.Failed = append(out.Failed, spec.FailedPart(f))
	}
	for _, n := range p.manifest.NotCovered[:min(len(p.manifest.NotCovered), spec.MaxListed)] {
		out.NotCovered = append(out.NotCovered, spec.NotCovered(n))
	}
	return out
}
