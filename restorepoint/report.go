package restorepoint

import (
	"encoding/json"
	"time"
)

// Report is the proof of one restore of a point: what every table was compared with, partition by partition, and what was
// not compared. It is stored beside the point (ReportKey).
type Report struct {
	FormatVersion string          `json:"formatVersion"`
	Point         string          `json:"point"`
	SourceCluster string          `json:"sourceCluster"` // that made the point
	Cluster       string          `json:"cluster"`       // that it was restored into
	Repository    string          `json:"repository"`
	Restore       string          `json:"restore"` // workflow id
	RunID         string          `json:"runId"`
	BeganAt       time.Time       `json:"beganAt"`
	EndedAt       time.Time       `json:"endedAt"`
	Result        string          `json:"result"` // "proven", "differs", "partial"
	Counts        ReportCounts    `json:"counts"`
	Tables        []TableReport   `json:"tables"`
	Failed        []FailedObject  `json:"failed,omitempty"` // not restored, or not exchanged
	Spec          json.RawMessage `json:"spec,omitempty"`   // the workflow's input
}

// Results of a restore.
const (
	ReportProven  = "proven"  // every table is what was backed up, as far as it was compared
	ReportDiffers = "differs" // a table is not what was backed up
	ReportPartial = "partial" // nothing differs, but something is missing
)

// ReportCounts sums a report up.
type ReportCounts struct {
	Tables       int   `json:"tables"`
	Proven       int   `json:"proven"`
	Partitions   int   `json:"partitions"`
	Tablets      int   `json:"tablets"`
	Rows         int64 `json:"rows"` // counted, and equal
	Fingerprints int   `json:"fingerprints"`
	Differences  int   `json:"differences"`
	NotCompared  int   `json:"notCompared"`
}

// TableReport is the proof of one table. Names in it are those at the time of the proof.
type TableReport struct {
	From     string `json:"from"`     // "db.table" in the restore point
	Database string `json:"database"` // it was restored into
	Name     string `json:"name"`     // that it was to end with
	As       string `json:"as"`       // that it was proven under
	Action   string `json:"action"`   // "create", "swap", …
	TableID  int64  `json:"tableId"`
	Proven   bool   `json:"proven"`
	Failed   string `json:"failed,omitempty"` // why it is not
	Proof
}

// Sum fills in the counts and the result.
func (r *Report) Sum() {
	r.Counts = ReportCounts{Tables: len(r.Tables)}
	for _, t := range r.Tables {
		r.Counts.Partitions += t.Partitions
		r.Counts.Tablets += t.Tablets
		r.Counts.Rows += t.Rows
		r.Counts.Differences += len(t.Differences)
		r.Counts.NotCompared += len(t.NotCompared)
		if !t.DDL.Compared {
			r.Counts.NotCompared++
		}
		if t.Proven {
			r.Counts.Proven++
		}
		for _, c := range t.Checked {
			if c.Want.Fingerprint != nil && c.Got.Fingerprint != nil && *c.Want.Fingerprint == *c.Got.Fingerprint {
				r.Counts.Fingerprints++
			}
		}
	}
	switch {
	case r.Counts.Differences > 0:
		r.Result = ReportDiffers
	case len(r.Failed) > 0 || r.Counts.Proven < len(r.Tables):
		r.Result = ReportPartial
	default:
		r.Result = ReportProven
	}
}

// EncodeReport sums the report up and writes it as JSON.
func EncodeReport(r Report) ([]byte, error) {
	r.FormatVersion = FormatVersion
	r.Sum()
	if r.Tables == nil {
		r.Tables = []TableReport{}
	}
	return encode(r)
}

// DecodeReport reads a report. ErrFormat if it cannot be used.
func DecodeReport(data []byte) (Report, error) {
	var r Report
	err := decode("restore report", data, &r, &r.FormatVersion)
	return r, err
}

// DrillRecord is what is written down of a drill on its restore point (DrillKey).
type DrillRecord struct {
	FormatVersion string         `json:"formatVersion"`
	Point         string         `json:"point"`
	Cluster       string         `json:"cluster"` // that it was restored into
	At            time.Time      `json:"at"`      // when it began
	Drill         string         `json:"drill"`   // workflow id
	Restore       string         `json:"restore,omitempty"`
	Report        string         `json:"report,omitempty"` // address of the proof
	Seed          string         `json:"seed"`
	Result        string         `json:"result"` // "ok", "mismatch", "failed", "cancelled", "not begun"
	Reason        string         `json:"reason,omitempty"`
	Of            int            `json:"of"`     // tables that the selection named
	Tables        []DrilledTable `json:"tables"` // the sample
}

// DrilledTable is one table of a drill's sample.
type DrilledTable struct {
	Database   string `json:"database"`
	Table      string `json:"table"`
	Proven     bool   `json:"proven"`
	Partitions int    `json:"partitions,omitempty"`
	Rows       int64  `json:"rows,omitempty"` // counted, and equal
	Reason     string `json:"reason,omitempty"`
}

// EncodeDrill writes a drill's record as JSON.
func EncodeDrill(d DrillRecord) ([]byte, error) {
	d.FormatVersion = FormatVersion
	if d.Tables == nil {
		d.Tables = []DrilledTable{}
	}
	return encode(d)
}

// DecodeDrill reads a drill's record. ErrFormat if it cannot be used.
func DecodeDrill(data []byte) (DrillRecord, error) {
	var d DrillRecord
	err := decode("drill", data, &d, &d.FormatVersion)
	return d, err
}
