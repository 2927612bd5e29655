package activities

import (
	"context"
	"time"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// Statement says whether a unit is a BACKUP or a RESTORE.
type Statement = starrocks.JobKind

// The two statements.
const (
	Backup  = starrocks.BackupKind
	Restore = starrocks.RestoreKind
)

// BesidePrefix begins the inner name of every __info that starkeep writes into a native snapshot.
const BesidePrefix = "sk_beside_"

// Timestamp writes a time as a backup_timestamp.
func Timestamp(t time.Time) string { return starrocks.Timestamp(t) }

// UnitRef is everything that tells one attempt at one unit apart. All of it is fixed before the statement is sent, so
// that whoever comes after a crash knows the attempt when he sees it.
type UnitRef struct {
	Statement   Statement         `json:"statement"`
	Cluster     string            `json:"cluster"`
	Repository  string            `json:"repository"`
	Database    string            `json:"database"`
	Plan        PlanRef           `json:"plan"`
	Unit        restorepoint.Unit `json:"unit"`
	Label       string            `json:"label"`               // BACKUP: of the snapshot to make; RESTORE: of the one restored
	Timestamp   string            `json:"timestamp,omitempty"` // RESTORE: backup_timestamp of this attempt's own __info
	Beside      string            `json:"beside,omitempty"`    // RESTORE: inner name of this attempt's own __info
	Replication int               `json:"replication,omitempty"`
	FailBusy    bool              `json:"failBusy,omitempty"` // Submit: do not wait for somebody else's job
	Cancel      bool              `json:"cancel,omitempty"`   // Await: a cancel was asked for before anybody watched
	Scratch     bool              `json:"scratch,omitempty"`  // Await: of a check, and given up early
	Mend        bool              `json:"mend,omitempty"`     // RESTORE: after one that was broken off in COMMITTING; not to be stopped again
	// Composed is, of a RESTORE, the label of the native snapshot that is made for the unit where its parts lie in several.
	// It is the same for all attempts: what one has copied the next finds.
	Composed string `json:"composed,omitempty"`
}

// work is a unit with all it needs resolved.
type work struct {
	UnitRef
	cluster    *Cluster
	repository *Repository
	source     *Repository // RESTORE: where the restore point's native snapshots lie
	plan       *Plan
	parts      []restorepoint.Part
}

func (a *Activities) resolve(ctx context.Context, u UnitRef) (*work, error) {
	c, r, err := a.both(u.Cluster, u.Repository)
	if err != nil {
		return nil, err
	}
	p, err := a.plan(ctx, r.Store, u.Plan)
	if err != nil {
		return nil, err
	}
	w := &work{UnitRef: u, cluster: c, repository: r, source: r, plan: p, parts: u.Unit.Of(p.Parts)}
	if p.From != "" {
		if w.source, err = a.storeOf("from", p.From); err != nil {
			return nil, err
		}
	}
	if u.Statement == Restore && len(w.parts) > 0 {
		w.Label, w.Replication = w.parts[0].Snapshot, w.parts[0].Replication
	}
	if w.composes() {
		w.Label = w.Composed
	}
	return w, nil
}

// inPlace tells a RESTORE that overwrites what is there.
func (w *work) inPlace() bool {
	return w.Statement == starrocks.RestoreKind && len(w.parts) > 0 && w.parts[0].Lane == spec.ActionOverwrite
}

func (w *work) snapshot() starrocks.Snapshot {
	return starrocks.Snapshot{Repository: w.repository.Native, Label: w.Label}
}

// job reads the row of this unit's statement; nil when the FE shows none for the database.
func (w *work) job(ctx context.Context) (*starrocks.Job, error) {
	if w.Statement == starrocks.BackupKind {
		return w.cluster.FE.BackupJob(ctx, w.Database)
	}
	return w.cluster.FE.RestoreJob(ctx, w.Database)
}

// other reads the row of the other statement: BACKUP and RESTORE share the database's one slot.
func (w *work) other(ctx context.Context) (*starrocks.Job, error) {
	if w.Statement == starrocks.BackupKind {
		return w.cluster.FE.RestoreJob(ctx, w.Database)
	}
	return w.cluster.FE.BackupJob(ctx, w.Database)
}

// ours tells whether a row is this very attempt's: a BACKUP by its label, a RESTORE by label and timestamp (rule 4).
func (w *work) ours(j *starrocks.Job) bool {
	if j == nil || j.Kind != w.Statement || j.Label != w.Label {
		return false
	}
	return w.Statement == starrocks.BackupKind || j.Timestamp == w.Timestamp
}

func (w *work) cancel(ctx context.Context) error {
	if w.Statement == starrocks.BackupKind {
		return w.cluster.FE.CancelBackup(ctx, w.Database)
	}
	return w.cluster.FE.CancelRestore(ctx, w.Database)
}

// objects groups the unit's parts by table, as ON lists want them. A table that is unpartitioned has one partition of
// its own name and is listed without partitions.
func (w *work) objects() []starrocks.Object {
	var list []starrocks.Object
	for i := 0; i < len(w.parts); {
		name, first := w.parts[i].Table, i
		for i < len(w.parts) && w.parts[i].Table == name {
			i++
		}
		t, _ := w.plan.table(w.parts[first])
		object := starrocks.Object{Table: name}
		switch {
		case w.plan.aliased(name, t.As):
			object.Alias = t.As
		case t.As != "":
			object.Table = t.As
		}
		for _, p := range w.parts[first:i] {
			if p.Partition != name {
				object.Partitions = append(object.Partitions, p.Partition)
			}
		}
		list = append(list, object)
	}
	return list
}

// tables names those of the unit, as they are in the cluster.
func (w *work) tables() []string {
	var list []string
	for _, o := range w.objects() {
		list = append(list, o.Table)
	}
	return list
}
