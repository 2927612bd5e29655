package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// Tables of a scratch database.
const (
	scratchTable    = "probe"
	scratchRestored = "probe_restored"
)

const (
	bucketsPerBackend = 2    // so that each BE gets one although other tables are created meanwhile
	maxScratchBuckets = 1000 //
	rowsPerBucket     = 2
)

// Scratch is a table to be backed up and restored.
type Scratch struct {
	Database string  `json:"database"`
	Backends []int64 `json:"backends"` // ids of the BEs that hold some of it
}

// MakeScratch makes the scratch database with a table that has a few rows on every BE that is alive. What is there already
// is taken.
func (a *Activities) MakeScratch(ctx context.Context, ref RepositoryRef) (Scratch, error) {
	defer keepAlive(ctx)()
	c, err := a.cluster(ref.Cluster)
	if err != nil {
		return Scratch{}, failure(ctx, err)
	}
	s := Scratch{Database: ref.scratch()}
	if err := s.make(ctx, c.FE); err != nil {
		return Scratch{}, failure(ctx, fmt.Errorf("make the scratch table %s.%s: %w", s.Database, scratchTable, err))
	}
	return s, nil
}

func (s *Scratch) make(ctx context.Context, fe *starrocks.Client) error {
	backends, err := fe.Backends(ctx)
	if err != nil {
		return err
	}
	alive := 0
	for _, b := range backends {
		if b.Alive {
			alive++
		}
	}
	buckets := min(max(alive, 1)*bucketsPerBackend, maxScratchBuckets)
	if err := fe.CreateDatabase(ctx, s.Database); err != nil {
		return err
	}
	if err := fe.CreateScratchTable(ctx, s.Database, scratchTable, buckets); err != nil {
		return err
	}
	if err := fe.FillScratchTable(ctx, s.Database, scratchTable, buckets*rowsPerBucket); err != nil {
		return err
	}
	tablets, err := fe.TableTablets(ctx, s.Database, scratchTable)
	if err != nil {
		return err
	}
	for _, t := range tablets {
		s.Backends = append(s.Backends, t.Backend)
	}
	slices.Sort(s.Backends)
	s.Backends = slices.Compact(s.Backends)
	return nil
}

// PlanScratchRestore plans the restore of the scratch table from its recorded snapshot, under another name.
func (a *Activities) PlanScratchRestore(ctx context.Context, ref RepositoryRef, label string) (PlannedDatabase, error) {
	defer keepAlive(ctx)()
	_, r, err := a.both(ref.Cluster, ref.Repository)
	if err != nil {
		return PlannedDatabase{}, failure(ctx, err)
	}
	planned, err := planScratchRestore(ctx, ref, r, label)
	if err != nil {
		err = fmt.Errorf("plan the restore of the scratch table: %w", err)
	}
	return planned, failure(ctx, err)
}

func planScratchRestore(ctx context.Context, ref RepositoryRef, r *Repository, label string) (PlannedDatabase, error) {
	record, _, err := readRecord(ctx, r.Store, ref.Cluster, label)
	if err != nil {
		return PlannedDatabase{}, err
	}
	database := ref.scratch()
	plan := &Plan{Statement: starrocks.RestoreKind, Cluster: ref.Cluster, Repository: r.Name, Database: database, Source: database, SourceCluster: ref.Cluster, Point: database}
	for _, t := range record.Tables {
		for i := range t.Partitions {
			t.Partitions[i].Snapshot = label
			plan.Parts = append(plan.Parts, (&restorePlanner{hosts: 1}).part(t, t.Partitions[i]))
		}
		plan.Tables = append(plan.Tables, PlanTable{Table: t, Target: scratchRestored, As: scratchRestored, Action: spec.ActionCreate})
	}
	packed, err := plan.pack(restorepoint.PlanKey(ref.Cluster, database, "restore"))
	if err != nil {
		return PlannedDatabase{}, err
	}
	return PlannedDatabase{Database: database, Plan: packed.ref, Units: restorepoint.Pack(plan.Parts, restorepoint.Limits{}), Tables: len(plan.Tables)},
		writePlans(ctx, r.Store, []packedPlan{packed})
}

// Cleared says what ClearScratch could not clear, although nothing failed.
type Cleared struct {
	Objects  int      `json:"objects"` // removed
	Warnings []string `json:"warnings,omitempty"`
}

// ClearScratch removes all that a check has made, also one that died: the job, the tables and the database, the native
// snapshots, what was written down of them, the probes. It may be done again. A database of the scratch name that holds
// anything else is left alone.
func (a *Activities) ClearScratch(ctx context.Context, ref RepositoryRef) (Cleared, error) {
	defer keepAlive(ctx)()
	c, r, err := a.both(ref.Cluster, ref.Repository)
	if err != nil {
		return Cleared{}, failure(ctx, err)
	}
	s := &scratchCleaner{cluster: c, repository: r, database: ref.scratch()}
	if err := s.clear(ctx); err != nil {
		return s.out, failure(ctx, fmt.Errorf("clear the scratch database %s away: %w", s.database, err))
	}
	return s.out, nil
}

type scratchCleaner struct {
	cluster    *Cluster
	repository *Repository
	database   string
	out        Cleared
}

func (s *scratchCleaner) clear(ctx context.Context) error {
	if err := s.dropDatabase(ctx); err != nil {
		return err
	}
	return s.removeObjects(ctx)
}

// dropDatabase ends the database's job first: a table that a RESTORE is creating must not be dropped (rule 15).
func (s *scratchCleaner) dropDatabase(ctx context.Context) error {
	databases, err := s.cluster.FE.Databases(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(databases, s.database) {
		return nil
	}
	tables, err := s.cluster.FE.Tables(ctx, s.database)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if t.Name != scratchTable && t.Name != scratchRestored {
			return invalid("database %s holds %s, which no check has made; rename or drop it, nothing was touched", s.database, t.Name)
		}
	}
	if err := s.endJobs(ctx); err != nil {
		return err
	}
	if tables, err = s.cluster.FE.Tables(ctx, s.database); err != nil { // a job that was ended took its own along
		return err
	}
	for _, t := range tables {
		if err := s.cluster.FE.DropTable(ctx, s.database, t.Name); err != nil {
			return err
		}
	}
	if err := s.cluster.FE.DropDatabase(ctx, s.database); err != nil {
		s.out.Warnings = append(s.out.Warnings, fmt.Sprintf("the empty database %s stays, drop it by hand: %v", s.database, err))
	}
	return nil
}

// endJobs cancels what runs in the database until nothing does.
func (s *scratchCleaner) endJobs(ctx context.Context) error {
	for _, kind := range []struct {
		job    func(context.Context, string) (*starrocks.Job, error)
		cancel func(context.Context, string) error
	}{
		{s.cluster.FE.BackupJob, s.cluster.FE.CancelBackup}, {s.cluster.FE.RestoreJob, s.cluster.FE.CancelRestore},
	} {
		for {
			j, err := kind.job(ctx, s.database)
			if err != nil {
				return err
			}
			if j == nil || j.State.Terminal() {
				break
			}
			_ = kind.cancel(ctx, s.database) // the row is the truth
			if err := sleep(ctx, s.cluster.Timing.Tick); err != nil {
				return err
			}
		}
	}
	return nil
}

// prefixes are those of everything that a check leaves in the store.
func (s *scratchCleaner) prefixes() []string {
	own := restorepoint.ScratchPrefixes(s.cluster.Name, s.database)
	for _, label := range []string{restorepoint.ScratchLabels(s.database), BesidePrefix + s.database + "_"} {
		at := starrocks.Snapshot{Repository: s.repository.Native, Label: label}
		own = append(own, strings.TrimSuffix(at.Prefix(), "/"))
	}
	return own
}

// removeObjects looks again until nothing comes any more: a BE that was writing when its job was cancelled writes to the
// end of its file (facts §4.1).
func (s *scratchCleaner) removeObjects(ctx context.Context) error {
	for {
		keys, err := s.objects(ctx)
		if err != nil || len(keys) == 0 {
			return err
		}
		if err := s.repository.Store.Delete(ctx, keys...); err != nil {
			return err
		}
		s.out.Objects += len(keys)
		if err := sleep(ctx, max(2*s.cluster.Timing.Tick, 20*time.Millisecond)); err != nil {
			return err
		}
	}
}

func (s *scratchCleaner) objects(ctx context.Context) ([]string, error) {
	var keys []string
	for _, prefix := range s.prefixes() {
		for o, err := range s.repository.Store.List(ctx, prefix) {
			if err != nil {
				return nil, err
			}
			keys = append(keys, o.Key)
		}
	}
	return keys, nil
}
