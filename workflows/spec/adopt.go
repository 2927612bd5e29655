package spec

import "regexp"

// Adopt is the input of the workflow Adopt: make a restore point of a native snapshot that starkeep did not make.
type Adopt struct {
	// Cluster names the cluster profile that the snapshot is of: the restore point becomes one of its.
	Cluster string `json:"cluster"`
	// Repository names the repository profile in which the snapshot lies.
	Repository string `json:"repository"`
	// Label is the snapshot's, as BACKUP SNAPSHOT named it.
	Label string `json:"label"`
	// Timestamp is its backup_timestamp, like "2026-11-22-15-04-05-123". Needed only where the label has several.
	Timestamp string `json:"timestamp,omitempty"`

	problems problems
}

// UnmarshalJSON remembers what is wrong instead of failing; Validate reports it.
func (a *Adopt) UnmarshalJSON(data []byte) error {
	type fields Adopt
	var f fields
	found := decode(data, &f)
	*a = Adopt(f)
	a.problems = found
	return nil
}

// Validate tells what is wrong with the input.
func (a Adopt) Validate() error {
	p := append(problems(nil), a.problems...)
	if len(p) == 0 {
		p.checkName("cluster", a.Cluster, true)
		p.checkName("repository", a.Repository, true)
		p.checkSnapshot("label", "timestamp", NativeSnapshot{Label: a.Label, Timestamp: a.Timestamp})
	}
	return p.err()
}

// NativeSnapshot names what one BACKUP statement left in a repository.
type NativeSnapshot struct {
	// Label is the snapshot's.
	Label string `json:"label"`
	// Timestamp is its backup_timestamp. Needed only where the label has several.
	Timestamp string `json:"timestamp,omitempty"`
}

// UnmarshalJSON refuses fields that do not exist.
func (n *NativeSnapshot) UnmarshalJSON(data []byte) error {
	type fields NativeSnapshot
	var f fields
	err := decode(data, &f).err()
	*n = NativeSnapshot(f)
	return err
}

var (
	nativeLabel     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	nativeTimestamp = regexp.MustCompile(`^\d{4}(?:-\d{2}){5}-\d{3}$`)
)

// checkSnapshot refuses labels that cannot be put into a RESTORE safely: StarRocks takes them as paths and globs.
func (p *problems) checkSnapshot(label, timestamp string, n NativeSnapshot) {
	switch {
	case n.Label == "":
		p.add("field %q is missing; \"starkeep backup list --native\" shows the labels of a repository", label)
	case !nativeLabel.MatchString(n.Label):
		p.add("field %q is %q; only labels of up to 128 letters, digits, '_' and '-' can be addressed safely: restore others by hand", label, n.Label)
	}
	if n.Timestamp != "" && !nativeTimestamp.MatchString(n.Timestamp) {
		p.add("field %q is %q; write it like 2026-11-22-15-04-05-123, as \"starkeep backup list --native\" shows it", timestamp, n.Timestamp)
	}
}

// AdoptResult is what Adopt returns.
type AdoptResult struct {
	Point      string       `json:"point"`              // id of the restore point
	Existing   bool         `json:"existing,omitempty"` // it was there already
	Label      string       `json:"label"`
	Timestamp  string       `json:"timestamp"`
	Database   string       `json:"database"`
	Tables     int          `json:"tables"`
	Partitions int64        `json:"partitions"`
	Tablets    int64        `json:"tablets"`
	Objects    int64        `json:"objects"`
	Bytes      int64        `json:"bytes"`
	NotKnown   []string     `json:"notKnown,omitempty"`   // what the repository does not tell; it is never compared
	NotCovered []NotCovered `json:"notCovered,omitempty"` // in the snapshot, but not in the restore point
}

// AdoptID is the workflow id of an adoption: one of each label at a time.
func AdoptID(cluster, repository, label string) string {
	return "adopt/" + cluster + "/" + repository + "/" + label
}
