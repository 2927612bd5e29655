package spec

import (
	"regexp"
	"strings"
)

// Export is the input of the workflow Export: it makes one plain native snapshot of a restore point, or of a part of it,
// which RESTORE takes by hand, without starkeep.
type Export struct {
	// Cluster names the cluster whose restore point it is.
	Cluster string `json:"cluster"`
	// Repository names the repository profile that holds the point.
	Repository string `json:"repository"`
	// Point is the restore point: as in Restore.
	Point string `json:"point,omitempty"`
	// Include and Exclude select from the point, as in Restore. All tables must be of one database.
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
	// Rename gives tables other names in the snapshot: "db.table": "other.name"; "db": "other" the statement another database.
	Rename map[string]string `json:"rename,omitempty"`
	// Label names the native snapshot: 1 to 64 letters, digits and _, not beginning with sk_.
	Label string `json:"label"`
	// To names the repository profile that gets the snapshot. Default: Repository.
	To string `json:"to,omitempty"`

	problems problems
}

// ExportID is the workflow id of an export: of one label there is one at a time.
func ExportID(cluster, label string) string { return "export/" + cluster + "/" + label }

// ExportResult is what Export returns.
type ExportResult struct {
	Point           string   `json:"point"`
	Repository      string   `json:"repository"` // profile that has it
	Label           string   `json:"label"`
	BackupTimestamp string   `json:"backupTimestamp"`
	Statement       string   `json:"statement"` // that restores all of it
	Database        string   `json:"database"`
	Tables          []string `json:"tables"` // at most MaxListed
	Partitions      int64    `json:"partitions"`
	Tablets         int64    `json:"tablets"`
	Objects         int64    `json:"objects"`
	Bytes           int64    `json:"bytes"`
	Snapshots       int      `json:"snapshots"` // native snapshots that it was made of
	Warnings        []string `json:"warnings,omitempty"`
}

// UnmarshalJSON remembers what is wrong instead of failing; Validate reports it.
func (e *Export) UnmarshalJSON(data []byte) error {
	type fields Export
	var f fields
	found := decode(data, &f)
	*e = Export(f)
	e.problems = found
	return nil
}

var exportLabel = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)

// Validate tells what is wrong with the input, naming each field and the fix.
func (e Export) Validate() error {
	p := append(problems(nil), e.problems...)
	if len(p) == 0 {
		p.checkName("cluster", e.Cluster, true)
		p.checkName("repository", e.Repository, true)
		p.checkPoint("point", e.Point)
		p.checkName("to", e.To, false)
		if !exportLabel.MatchString(e.Label) {
			p.add(`field "label" is %q; give 1 to 64 letters, digits and _: StarRocks makes paths and patterns of labels`, e.Label)
		}
		if strings.HasPrefix(strings.ToLower(e.Label), "sk_") {
			p.add(`field "label" is %q; labels that begin with sk_ are starkeep's own and may be removed`, e.Label)
		}
		Restore{Rename: e.Rename}.checkRename(&p)
	}
	return p.err()
}
