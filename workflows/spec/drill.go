package spec

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Drill is the input of the workflow Drill: restore some tables of a restore point into a database of their own, prove
// them, drop them, and write down how it went.
type Drill struct {
	// Cluster names the cluster profile to restore into. It needs free space for the sample.
	Cluster string `json:"cluster"`
	// Repository names the repository profile that holds the restore point.
	Repository string `json:"repository"`
	// Point is the restore point: an id, "latest" (default), or "latest~N".
	Point string `json:"point,omitempty"`
	// SourceCluster names the cluster whose restore points are meant, where it is not Cluster.
	SourceCluster string `json:"sourceCluster,omitempty"`
	// Include selects what the sample is taken from: "db", "db.table", with * globs. Empty means everything.
	Include []string `json:"include,omitempty"`
	// Exclude takes away from Include; it wins.
	Exclude []string `json:"exclude,omitempty"`
	// Sample is how many of the tables are restored: a share like "1/20" (default), or a number of tables like "3". Those
	// whose last drill is longest ago come first, so that every table has its turn.
	Sample string `json:"sample,omitempty"`
	// Seed decides between tables whose turn it is. Default: the run's own id.
	Seed string `json:"seed,omitempty"`
	// ReplicationNum sets the replication of the restored copies. Default 1: they are dropped again.
	ReplicationNum int `json:"replicationNum,omitempty"`
	// Limits bound units and parallelism.
	Limits Limits `json:"limits,omitzero"`

	problems problems
}

// DefaultSample is the share of tables that a drill restores.
const DefaultSample = "1/20"

// UnmarshalJSON remembers what is wrong instead of failing; Validate reports it.
func (d *Drill) UnmarshalJSON(data []byte) error {
	type fields Drill
	var f fields
	found := decode(data, &f)
	*d = Drill(f)
	d.problems = found
	return nil
}

// Validate tells what is wrong with the input.
func (d Drill) Validate() error {
	p := append(problems(nil), d.problems...)
	if len(p) == 0 {
		p.checkName("cluster", d.Cluster, true)
		p.checkName("repository", d.Repository, true)
		p.checkPoint("point", d.Point)
		p.checkName("sourceCluster", d.SourceCluster, false)
		p.checkNotNegative("replicationNum", int64(d.ReplicationNum))
		for _, pattern := range append(append([]string(nil), d.Include...), d.Exclude...) {
			if strings.Contains(pattern, "/") {
				p.add("a drill restores whole tables; write %q without its partition", pattern)
			}
		}
		if _, err := d.SampleOf(1); err != nil {
			p.add("%v", err)
		}
		d.Limits.check(&p)
	}
	return p.err()
}

var sampleForm = regexp.MustCompile(`^(\d{1,6})(?:/(\d{1,6}))?$`)

// SampleOf tells how many of n tables Sample means: at least one, at most all.
func (d Drill) SampleOf(n int) (int, error) {
	text := d.Sample
	if text == "" {
		text = DefaultSample
	}
	m := sampleForm.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf(`field "sample" is %q; write a share like "1/20", or a number of tables like "3"`, d.Sample)
	}
	count, _ := strconv.Atoi(m[1])
	if m[2] != "" {
		of, _ := strconv.Atoi(m[2])
		if of == 0 || count > of {
			return 0, fmt.Errorf(`field "sample" is %q; a share is at most the whole`, d.Sample)
		}
		count = (n*count + of - 1) / of
	} else if count == 0 {
		return 0, fmt.Errorf(`field "sample" is %q; a drill restores at least one table`, d.Sample)
	}
	return min(max(count, 1), n), nil
}

// DrillResult is what Drill returns, and what the details of its failure hold.
type DrillResult struct {
	Point     string          `json:"point"`
	Result    string          `json:"result"`             // one of the Drill… constants
	Tables    []RestoredTable `json:"tables,omitempty"`   // the proof; at most MaxListed rows
	Sampled   int             `json:"sampled"`            // tables that were to be restored
	Of        int             `json:"of"`                 // tables that the selection names
	Databases []string        `json:"databases"`          // scratch databases; dropped again unless a warning says otherwise
	Restore   string          `json:"restore,omitempty"`  // workflow id of the restore
	Report    string          `json:"report,omitempty"`   // address of the restore's proof
	Recorded  string          `json:"recorded,omitempty"` // address of what was written down on the restore point
	Failed    []FailedPart    `json:"failed,omitempty"`
	Warnings  []string        `json:"warnings,omitempty"`
}

// How a drill ended.
const (
	DrillOK        = "ok"        // every table of the sample was restored and proven
	DrillMismatch  = "mismatch"  // a restored table is not what was backed up, or the repository is damaged
	DrillFailed    = "failed"    // something of the sample could not be restored
	DrillCancelled = "cancelled" //
	DrillNotRun    = "not begun" // the sample could not even be planned
)

// DrillID is the workflow id of a drill.
func DrillID(cluster, name string) string { return "drill/" + cluster + "/" + name }
