package restorepoint

import (
	"fmt"

	"starkeep/starrocks"
)

// FingerprintAlgorithm names how fingerprints are computed (starrocks.Client.Fingerprint). Those of another algorithm are
// not compared.
const FingerprintAlgorithm = "murmur3-sum-1"

// Fingerprint is what the rows of a partition add up to, in whatever order they are read.
type Fingerprint struct {
	Algorithm string `json:"algorithm"`
	Kind      string `json:"kind"` // "sample" or "full"
	Rows      int64  `json:"rows"` // taken in
	Sum       string `json:"sum"`  // decimal
	Second    string `json:"second"`
}

// NewFingerprint makes a Fingerprint of what StarRocks answered.
func NewFingerprint(kind string, f starrocks.RowsFingerprint) *Fingerprint {
	return &Fingerprint{Algorithm: FingerprintAlgorithm, Kind: kind, Rows: f.Rows, Sum: f.Sum, Second: f.Second}
}

// String is how a report shows it.
func (f Fingerprint) String() string {
	return fmt.Sprintf("%s/%s over %d rows (%s)", f.Sum, f.Second, f.Rows, f.Kind)
}

// Hashed are the columns that fingerprints of a table take in.
type Hashed struct {
	Columns []string `json:"columns"`
	Sample  []string `json:"sample"`            // decide which rows a sample holds
	LeftOut []string `json:"leftOut,omitempty"` // of types that are not hashed
}
