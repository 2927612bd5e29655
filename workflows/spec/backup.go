package spec

import (
	"encoding/json"
	"slices"
	"time"
)

// Backup is the input of the workflow Backup.
type Backup struct {
	// Cluster names the cluster profile to back up.
	Cluster string `json:"cluster"`
	// Repository names the repository profile to back up into.
	Repository string `json:"repository"`
	// Include selects what to back up: "db", "db.table", "db.table/partition", with * globs. Empty means everything.
	Include []string `json:"include,omitempty"`
	// Exclude takes away from Include, in the same grammar; it wins.
	Exclude []string `json:"exclude,omitempty"`
	// Resume names a partial restore point: exactly what it lacks is backed up, the rest is carried over by reference.
	Resume string `json:"resume,omitempty"`
	// Incremental backs up only what has changed since the newest restore point of the same cluster in this repository of a
	// backup that selected as much, else the newest one. The rest is carried over by reference: the new point is complete in itself.
	Incremental bool `json:"incremental,omitempty"`
	// Base names the restore point that an incremental backup is compared with, instead of the newest of a backup that
	// selected as much. Patterns that match nothing are then a warning: what they meant may be gone since.
	Base string `json:"base,omitempty"`
	// OnBusy says what to do when another job holds a database: "wait" (default) or "fail".
	OnBusy string `json:"onBusy,omitempty"`
	// Fingerprint asks for a fingerprint of each partition's rows, which a restore compares: "sample" (about one row in
	// sixteen), "full" (all), or "" (default: rows are only counted). It reads the tables after their snapshot was taken.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Mirrors names mirror profiles that get a copy of the point: each unit's objects while the next unit is being backed
	// up. A mirror that fails never fails the backup: the point is published, and the mirror is behind.
	Mirrors []string `json:"mirrors,omitempty"`
	// MirrorWait is how long the run waits, after the point is published, to see whether the mirrors have it. Default 1m.
	// Copies that take longer go on by themselves.
	MirrorWait Duration `json:"mirrorWait,omitzero"`
	// Tags are kept in the manifest and shown in listings.
	Tags map[string]string `json:"tags,omitempty"`
	// Limits bound units and parallelism.
	Limits Limits `json:"limits,omitzero"`

	problems problems
}

// Limits bound how work is divided and how much of it runs at once. Zero means the cluster profile's value, or the default.
type Limits struct {
	// UnitDuration is how long one BACKUP or RESTORE statement should take. Default 10m.
	UnitDuration Duration `json:"unitDuration,omitzero"`
	// MaxTabletsPerUnit bounds a unit's tablets. Default 20000.
	MaxTabletsPerUnit int `json:"maxTabletsPerUnit,omitempty"`
	// MaxPartitionsPerUnit bounds a unit's partitions. Default: no bound.
	MaxPartitionsPerUnit int `json:"maxPartitionsPerUnit,omitempty"`
	// ParallelDatabases is how many databases are worked on at once. Default 8.
	ParallelDatabases int `json:"parallelDatabases,omitempty"`
}

// Defaults of Limits.
const (
	DefaultUnitDuration      = 10 * time.Minute
	DefaultMaxTabletsPerUnit = 20000
	DefaultParallelDatabases = 8
)

// Values of Fingerprint.
const (
	FingerprintSample = "sample"
	FingerprintFull   = "full"
)

// DefaultMirrorWait is how long a Backup looks whether its mirrors have the point.
const DefaultMirrorWait = time.Minute

// Policies of OnBusy.
const (
	OnBusyWait = "wait"
	OnBusyFail = "fail"
)

// UnmarshalJSON remembers what is wrong instead of failing; Validate reports it.
func (b *Backup) UnmarshalJSON(data []byte) error {
	type fields Backup
	var f fields
	found := decode(data, &f)
	*b = Backup(f)
	b.problems = found
	return nil
}

// Validate tells what is wrong with the input, naming each field and the fix.
func (b Backup) Validate() error {
	p := append(problems(nil), b.problems...)
	if len(p) == 0 {
		p.checkName("cluster", b.Cluster, true)
		p.checkName("repository", b.Repository, true)
		p.checkName("resume", b.Resume, false)
		p.checkOneOf("onBusy", b.OnBusy, OnBusyWait, OnBusyFail)
		p.checkOneOf("fingerprint", b.Fingerprint, FingerprintSample, FingerprintFull)
		b.Limits.check(&p)
		p.checkName("base", b.Base, false)
		if b.Base != "" && !b.Incremental {
			p.add(`field "base" is for incremental backups; set "incremental" too`)
		}
		if b.Resume != "" && b.Incremental {
			p.add(`field "resume" completes a restore point with what it lacks; leave "incremental" out`)
		}
		b.checkMirrors(&p)
		if b.Resume != "" && (len(b.Include) > 0 || len(b.Exclude) > 0) {
			p.add(`field "resume" takes its selection from the point it completes; leave "include" and "exclude" out`)
		}
	}
	return p.err()
}

func (b Backup) checkMirrors(p *problems) {
	p.checkNotNegative("mirrorWait", int64(b.MirrorWait))
	for i, name := range b.Mirrors {
		p.checkName("mirrors", name, true)
		if slices.Contains(b.Mirrors[:i], name) {
			p.add(`field "mirrors" names %q twice`, name)
		}
	}
}

// UnmarshalJSON refuses fields that do not exist.
func (l *Limits) UnmarshalJSON(data []byte) error {
	type fields Limits
	var f fields
	err := decode(data, &f).err()
	*l = Limits(f)
	return err
}

// Validate reports negative limits.
func (l Limits) Validate() error {
	var p problems
	l.check(&p)
	return p.err()
}

func (l Limits) check(p *problems) {
	p.checkNotNegative("limits.unitDuration", int64(l.UnitDuration))
	p.checkNotNegative("limits.maxTabletsPerUnit", int64(l.MaxTabletsPerUnit))
	p.checkNotNegative("limits.maxPartitionsPerUnit", int64(l.MaxPartitionsPerUnit))
	p.checkNotNegative("limits.parallelDatabases", int64(l.ParallelDatabases))
}

// BackupResult is what Backup returns, and what the details of its PartialFailure hold.
type BackupResult struct {
	Point           string           `json:"point"`                // id of the published restore point; "" when none was
	Complete        bool             `json:"complete"`             // everything selected is in it
	Databases       []DatabaseResult `json:"databases"`            //
	Bytes           int64            `json:"bytes"`                // of all objects written by this run
	Objects         int64            `json:"objects"`              //
	Tablets         int64            `json:"tablets"`              //
	Partitions      int64            `json:"partitions"`           // backed up by this run
	Carried         int64            `json:"carried,omitempty"`    // partitions taken over from the parent by reference
	Base            string           `json:"base,omitempty"`       // incremental: the restore point that it was compared with
	Tables          []TableChange    `json:"tables,omitempty"`     // incremental: those that were not carried over whole, at most MaxListed
	Unchanged       int              `json:"unchanged,omitempty"`  // incremental: tables that were carried over whole
	Gone            []string         `json:"gone,omitempty"`       // incremental: in the base and dropped since, at most MaxListed
	Failed          []FailedPart     `json:"failed,omitempty"`     // at most MaxListed of them; the manifest has all
	FailedCount     int64            `json:"failedCount"`          //
	NotCovered      []NotCovered     `json:"notCovered,omitempty"` // objects a backup leaves out, with the reason
	Mirrors         []MirrorState    `json:"mirrors,omitempty"`    // how far each mirror is with the point
	Warnings        []string         `json:"warnings,omitempty"`   // what an operator should know though it did not fail
	CancelRequested bool             `json:"cancelRequested,omitempty"`
}

// MaxListed bounds the lists in results: histories are not the place for a million names.
const MaxListed = 200

// DatabaseResult sums up one database of a Backup or Restore.
type DatabaseResult struct {
	Database    string `json:"database"`
	Units       int    `json:"units"`       // BACKUP or RESTORE statements that finished
	UnitsFailed int    `json:"unitsFailed"` // statements that were given up
	Attempts    int    `json:"attempts"`    // statements submitted
	Partitions  int64  `json:"partitions"`
	Tablets     int64  `json:"tablets"`
	Bytes       int64  `json:"bytes"`
	Seconds     int64  `json:"seconds"`
	Stopped     string `json:"stopped,omitempty"` // why the database was given up as a whole
}

// FailedPart is one thing that could not be backed up or restored, in StarRocks' own words.
type FailedPart struct {
	Database  string `json:"database"`
	Table     string `json:"table"`
	Partition string `json:"partition,omitempty"`
	Reason    string `json:"reason"`
}

// TableChange says what an incremental backup took of a table, and why.
type TableChange struct {
	Database string `json:"database"`
	Table    string `json:"table"`
	BackedUp int    `json:"backedUp"` // partitions
	Carried  int    `json:"carried"`  // partitions taken over by reference
	Full     bool   `json:"full,omitempty"`
	Why      string `json:"why"`
}

// NotCovered is one object that a backup leaves out knowingly.
type NotCovered struct {
	Database string `json:"database"`
	Name     string `json:"name"`
	Kind     string `json:"kind"` // "view", "materialized view", "function", "table"
	Reason   string `json:"reason"`
}

var _ json.Unmarshaler = (*Backup)(nil)
