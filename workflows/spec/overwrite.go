package spec

// OnExistingOverwrite restores into existing tables and partitions in place, by StarRocks' own RESTORE. Their old data is
// gone once it commits, and loads into them are dangerous until it has: it needs Restore.ConfirmOverwrite.
const OnExistingOverwrite = "overwrite"

// What a restore does to a table, beside the other Action… constants.
const (
	ActionReplace   = "replace partitions" // existing partitions: restored beside, then exchanged by INSERT OVERWRITE
	ActionOverwrite = "overwrite"          // the table or its partitions are overwritten in place
)

// TagBeforeOverwrite is the tag of a restore point that a Restore made of what it was to replace; its value is the
// workflow id of the Restore. "latest" never means such a point: it holds only that.
const TagBeforeOverwrite = "before-overwrite"

// MaxVictims bounds the tables and partitions of one restore that are backed up before they are replaced.
const MaxVictims = 2000

// checkConsent wants what destroys data to be asked for in so many words.
func (r Restore) checkConsent(p *problems) {
	if r.OnExisting == OnExistingOverwrite && !r.ConfirmOverwrite && !r.DryRun {
		p.add(`field "onExisting" is "overwrite", which destroys what is in the tables; say so with "confirmOverwrite": true, or use "swap"`)
	}
	if r.OnExisting != OnExistingOverwrite && r.ConfirmOverwrite {
		p.add(`field "confirmOverwrite" belongs to onExisting "overwrite"`)
	}
}

// SafetyPoint is the restore point that was made of what a restore replaced: the way back.
type SafetyPoint struct {
	Repository string   `json:"repository"`
	Point      string   `json:"point"`
	Include    []string `json:"include"` // what was replaced, as patterns
}

// InterruptedCommit is a RESTORE over existing data that StarRocks broke off in COMMITTING, and that could not be run to
// its end again: the details of CommitInterrupted list them.
type InterruptedCommit struct {
	Database  string   `json:"database"`
	Tables    []string `json:"tables"` // "table" or "table/partition"
	Label     string   `json:"label"`
	Timestamp string   `json:"timestamp"`
	Statement string   `json:"statement"`       // to type by hand, exactly
	Loads     []string `json:"loads,omitempty"` // loads that were committed in between, by table: see State
	State     string   `json:"state"`           // what the data is in now, and why
}
