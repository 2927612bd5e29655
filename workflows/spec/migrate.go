package spec

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Migrate is the input of the workflow Migrate: bring databases of one cluster to another, catch up with what is loaded
// meanwhile, and switch when the operator says so. The source is only read, but for its BACKUPs.
type Migrate struct {
	// From and To name the cluster profiles.
	From string `json:"from"`
	To   string `json:"to"`
	// Repository names the repository profile that both clusters reach. The source has it; on the target it is created READ
	// ONLY where it is missing.
	Repository string `json:"repository"`
	// Include selects what to bring: "db", "db.table", with * globs. Empty means everything.
	Include []string `json:"include,omitempty"`
	// Exclude takes away from Include; it wins.
	Exclude []string `json:"exclude,omitempty"`
	// Rename gives databases and tables other names on the target: "db": "other", "db.table": "other.name".
	Rename map[string]string `json:"rename,omitempty"`
	// OnExisting says what happens to tables that the target has before the migration begins: "fail" (default: refuse), or
	// "swap" (exchange them; the old ones are dropped after UndoWindow).
	OnExisting string `json:"onExisting,omitempty"`
	// UndoWindow is how long tables are kept on the target that a later round has exchanged. Default 1m: they are copies.
	UndoWindow Duration `json:"undoWindow,omitzero"`
	// ReplicationNum sets the replication on the target. Default: the source's, at most one per live host.
	ReplicationNum int `json:"replicationNum,omitempty"`
	// SmallPartitions and SmallBytes say when the difference is small: at most so many changed partitions, or so many bytes
	// in them. Default 10 partitions, 1 GiB.
	SmallPartitions int   `json:"smallPartitions,omitempty"`
	SmallBytes      int64 `json:"smallBytes,omitempty"`
	// MaxRounds bounds the catch-up rounds that follow each other at once. Default 10.
	MaxRounds int `json:"maxRounds,omitempty"`
	// Interval is how often a migration that waits for its switch looks whether the difference is still small, and catches up
	// if it is not. Default 15m.
	Interval Duration `json:"interval,omitzero"`
	// Settle is the time between the two looks at the source when the switch begins: what moves between them is named. Default 30s.
	Settle Duration `json:"settle,omitzero"`
	// DropRemoved drops on the target, not past recall, what was dropped at the source since a round had brought it. It needs
	// onExisting "fail": only then is everything there the migration's own.
	DropRemoved bool `json:"dropRemoved,omitempty"`
	// Fingerprint asks for fingerprints of rows, as in Backup; each round's restore compares them.
	Fingerprint string `json:"fingerprint,omitempty"`
	// SkipGrants goes on where grants cannot be read or given.
	SkipGrants bool `json:"skipGrants,omitempty"`
	// Limits bound units and parallelism, on both sides.
	Limits Limits `json:"limits,omitzero"`
	// State is what a long migration hands over to its own next run. Leave it out.
	State *MigrateState `json:"state,omitempty"`

	problems problems
}

// Defaults of Migrate.
const (
	DefaultSmallPartitions  = 10
	DefaultSmallBytes       = int64(1) << 30
	DefaultMaxRounds        = 10
	DefaultMigrateInterval  = 15 * time.Minute
	DefaultSettle           = 30 * time.Second
	DefaultMigrateUndo      = time.Minute
	MigrateAttempts         = 3 // at a round, before the migration is given up
	DefaultMigrateRetryWait = time.Minute
)

// UnmarshalJSON remembers what is wrong instead of failing; Validate reports it.
func (m *Migrate) UnmarshalJSON(data []byte) error {
	type fields Migrate
	var f fields
	found := decode(data, &f)
	*m = Migrate(f)
	m.problems = found
	return nil
}

// Validate tells what is wrong with the input.
func (m Migrate) Validate() error {
	p := append(problems(nil), m.problems...)
	if len(p) == 0 {
		p.checkName("from", m.From, true)
		p.checkName("to", m.To, true)
		p.checkName("repository", m.Repository, true)
		if m.From != "" && m.From == m.To {
			p.add(`field "from" and field "to" name the same cluster; use a restore with rename to copy within one`)
		}
		p.checkOneOf("onExisting", m.OnExisting, OnExistingFail, OnExistingSwap)
		p.checkOneOf("fingerprint", m.Fingerprint, FingerprintSample, FingerprintFull)
		if m.DropRemoved && m.OnExisting == OnExistingSwap {
			p.add(`field "dropRemoved" needs onExisting "fail": else the target may hold tables that are not the migration's`)
		}
		for _, pattern := range append(slices.Clone(m.Include), m.Exclude...) {
			if strings.Contains(pattern, "/") {
				p.add("a migration brings whole tables; write %q without its partition", pattern)
			}
		}
		for field, n := range map[string]int64{"undoWindow": int64(m.UndoWindow), "replicationNum": int64(m.ReplicationNum), "smallPartitions": int64(m.SmallPartitions),
			"smallBytes": m.SmallBytes, "maxRounds": int64(m.MaxRounds), "interval": int64(m.Interval), "settle": int64(m.Settle)} {
			if n < 0 {
				p.checkNotNegative(field, n)
			}
		}
		slices.Sort(p) // a map's order is another one in each replay
		Restore{Rename: maps.Clone(m.Rename)}.checkRename(&p)
		m.Limits.check(&p)
	}
	return p.err()
}

// MigrateState is what is known between two rounds.
type MigrateState struct {
	Check    MigrateCheck   `json:"check"`
	Round    int            `json:"round"`             // rounds that were begun
	Rounds   []MigrateRound `json:"rounds,omitempty"`  // the last ones that ended
	Base     string         `json:"base,omitempty"`    // newest restore point that the migration made
	Applied  string         `json:"applied,omitempty"` // the restore point that the target holds
	Placed   bool           `json:"placed,omitempty"`  // a restore has begun to make tables on the target
	Ready    bool           `json:"ready,omitempty"`   // the difference was small, or MaxRounds over: it waits for the switch
	Look     MigrateLook    `json:"look"`
	Removed  []string       `json:"removed,omitempty"` // at most MaxListed; RemovedCount is of all
	Dropped  []string       `json:"dropped,omitempty"` // at most MaxListed
	Switch   bool           `json:"switch,omitempty"`  // asked for
	Began    time.Time      `json:"began,omitzero"`
	Warnings []string       `json:"warnings,omitempty"`

	RemovedCount int `json:"removedCount,omitempty"`
}

// MigrateCheck is what was found before anything was done.
type MigrateCheck struct {
	FromVersion string       `json:"fromVersion"`
	ToVersion   string       `json:"toVersion"`
	NotCrossed  []NotCrossed `json:"notCrossed,omitempty"`
	Warnings    []string     `json:"warnings,omitempty"`
	Ensure      bool         `json:"ensure,omitempty"` // the target does not know the repository
	Heartbeat   Duration     `json:"heartbeat,omitzero"`
}

// NotCrossed is something that a migration does not bring, with what to do about it.
type NotCrossed struct {
	Kind   string `json:"kind"` // "external catalog", "resource group", "user", "global function", "table", "view", …
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// MigrateRound are one round's numbers.
type MigrateRound struct {
	Number     int    `json:"number"`  // 1 is the bulk
	Point      string `json:"point"`   // the restore point that was made, and brought over
	Seconds    int64  `json:"seconds"` //
	BackedUp   int64  `json:"backedUp"`
	BackupSize int64  `json:"backupBytes"`
	Restored   int64  `json:"restored"` // partitions
	Bytes      int64  `json:"bytes"`    // restored
	Tables     int    `json:"tables"`   // that were brought over, in whole or in part
	Attempts   int    `json:"attempts"`
}

// MigrateLook is how the source differs from what the target holds, by ids and versions.
type MigrateLook struct {
	Partitions int64         `json:"partitions"` // changed or new
	Bytes      int64         `json:"bytes"`      // of these partitions, as the catalog says
	Tables     []TableChange `json:"tables,omitempty"`
	Gone       []string      `json:"gone,omitempty"` // dropped at the source
	// Marks tell whether the versions of the changed tables moved between two looks; at most MaxListed.
	Marks []TableMark `json:"marks,omitempty"`
}

// TableMark is a digest of a table's ids and versions.
type TableMark struct {
	Table string `json:"table"` // "db.table"
	Mark  string `json:"mark"`
}

// MovedSince names the tables that changed after an earlier look.
func (l MigrateLook) MovedSince(before MigrateLook) []string {
	var names []string
	for _, mark := range l.Marks {
		if !slices.Contains(before.Marks, mark) {
			names = append(names, mark.Table)
		}
	}
	return names
}

// Same tells whether there is no difference.
func (l MigrateLook) Same() bool { return l.Partitions == 0 && len(l.Gone) == 0 }

// Phases of a Migrate.
const (
	PhaseCheck    Phase = "check"
	PhaseBulk     Phase = "bulk"
	PhaseCatchUp  Phase = "catch up"
	PhaseReady    Phase = "ready to switch"
	PhaseSwitch   Phase = "switch"
	PhaseProof    Phase = "prove"
	PhaseAborting Phase = "aborting"
)

// MigrateProgress answers the query progress.
type MigrateProgress struct {
	Phase    Phase          `json:"phase"`
	Current  string         `json:"current,omitempty"` // the child workflow under way
	Rounds   []MigrateRound `json:"rounds,omitempty"`
	Look     MigrateLook    `json:"look"`
	Applied  string         `json:"applied,omitempty"`
	Switch   bool           `json:"switch,omitempty"` // asked for
	Warnings []string       `json:"warnings,omitempty"`
	Ready    bool           `json:"ready,omitempty"`
}

// MigrateAnswer is what the updates switch and abort answer at once.
type MigrateAnswer struct {
	Note string      `json:"note"`
	Look MigrateLook `json:"look"`
}

// MigrateResult is what Migrate returns, and what the details of its failure hold.
type MigrateResult struct {
	Switched    bool           `json:"switched,omitempty"` // the last round was brought over
	Aborted     bool           `json:"aborted,omitempty"`
	Point       string         `json:"point,omitempty"`  // the restore point that the target holds
	Rounds      []MigrateRound `json:"rounds,omitempty"` // at most the last 50
	RoundCount  int            `json:"roundCount"`
	FromVersion string         `json:"fromVersion,omitempty"`
	ToVersion   string         `json:"toVersion,omitempty"`
	Proof       *MigrateProof  `json:"proof,omitempty"`
	Views       []RestoredView `json:"views,omitempty"`
	// NotCrossed is the written list of what was not brought; at most MaxListed.
	NotCrossed []NotCrossed `json:"notCrossed,omitempty"`
	// Moving are tables whose versions moved between the two looks at the beginning of the switch.
	Moving []string `json:"moving,omitempty"`
	// Late is what was loaded or changed at the source after the last round's snapshots, and is not on the target.
	Late            *MigrateLook `json:"late,omitempty"`
	Removed         []string     `json:"removed,omitempty"` // dropped at the source since it had been brought over; at most MaxListed
	RemovedCount    int          `json:"removedCount,omitempty"`
	Dropped         []string     `json:"dropped,omitempty"`  // and on the target too; at most MaxListed
	OnTarget        string       `json:"onTarget,omitempty"` // what an unfinished migration leaves there, in words
	Report          string       `json:"report,omitempty"`   // address of this result, stored beside the restore point
	Warnings        []string     `json:"warnings,omitempty"`
	CancelRequested bool         `json:"cancelRequested,omitempty"`
}

// MigrateProof compares both sides, partition by partition.
type MigrateProof struct {
	Tables      int64        `json:"tables"`
	Partitions  int64        `json:"partitions"`
	Rows        int64        `json:"rows"`        // of the partitions that were compared
	Compared    int64        `json:"compared"`    // partitions whose rows were counted on both sides, and are equal
	NotCompared int64        `json:"notCompared"` // partitions of which the count at the saved version is not known
	Differs     []FailedPart `json:"differs,omitempty"`
	DifferCount int64        `json:"differCount"`
}

// Updates of Migrate.
const (
	UpdateSwitch = "switch"
	UpdateAbort  = "abort"
)

// TagMigrate is the tag of the restore points that a Migrate makes; its value is the migration's workflow id. Prune asks
// that run whether it is still under way.
const TagMigrate = "migrate"

// MigrateWorkflow is the workflow's registered name.
const MigrateWorkflow = "Migrate"

// MigrateID is the workflow id of a migration.
func MigrateID(from, name string) string { return "migrate/" + from + "/" + name }
