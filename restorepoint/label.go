package restorepoint

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

const (
	maxLabel         = 64 // StarRocks itself sets no bound; other tools and eyes do
	maxLabelDatabase = 24
)

// Label names one attempt of one unit: sk_<database>_<12 hex of seed and database>_u<unit>_a<attempt>. It uses only
// [A-Za-z0-9_] and at most 64 characters, because StarRocks does not check labels and uses them as paths and globs
// (starrocks-facts §1.4). The seed is what makes it unique in the cluster: workflow id and FirstRunID.
func Label(database, seed string, unit, attempt int) string {
	tail := fmt.Sprintf("_%s_u%d_a%d", digest(12, seed, database), unit, attempt)
	name := sanitize(database)
	name = name[:min(len(name), maxLabelDatabase, maxLabel-len("sk_")-len(tail))]
	return "sk_" + name + tail
}

var ownLabel = regexp.MustCompile(`^sk_[A-Za-z0-9_]*_[0-9a-f]{12}_u[0-9]+_a[0-9]+$`)

// IsLabel tells labels that Label makes.
func IsLabel(label string) bool { return ownLabel.MatchString(label) }

// BesideTable is the name under which a swap restore creates a table next to the live one. The seed is the restore's
// FirstRunID: all tables of one restore have the same ending.
func BesideTable(table, seed string) string { return table + "__restore_" + digest(8, seed) }

// BeforeTable is the name that the replaced table gets after the swap.
func BeforeTable(table, seed string) string { return table + "__before_" + digest(8, seed) }

var beside = regexp.MustCompile(`(?s)^.+__(restore|before)_[0-9a-f]{8}$`)

// IsBeside tells whether a table was made by a swap restore (BesideTable or BeforeTable). Backups leave such tables
// out always, whatever the selection says.
func IsBeside(table string) bool { return beside.MatchString(table) }

// digest gives n hex digits of SHA-256 over the texts, which it keeps apart.
func digest(n int, texts ...string) string {
	h := sha256.New()
	for _, t := range texts {
		fmt.Fprintf(h, "%d:%s", len(t), t)
	}
	return hex.EncodeToString(h.Sum(nil))[:n]
}

// sanitize replaces everything outside [A-Za-z0-9_].
func sanitize(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
}

// LabelPrefix begins every label that starkeep gives.
const LabelPrefix = "sk_"

var (
	composedLabel = regexp.MustCompile(`^` + ComposedPrefix + `[A-Za-z0-9_]*_[0-9a-f]{12}_u[0-9]+$`)
	mendLabel     = regexp.MustCompile(`^sk_beside_[A-Za-z0-9_]*_[0-9a-f]{12}_u[0-9]+_a[0-9]+_m[0-9]+$`)
)

// IsOwnLabel tells labels of native snapshots that starkeep makes: of attempts at a BACKUP, of snapshots composed for a
// restore, and of what a restore writes beside them, also when it mends a RESTORE that was broken off in COMMITTING.
func IsOwnLabel(label string) bool {
	return ownLabel.MatchString(label) || composedLabel.MatchString(label) || mendLabel.MatchString(label)
}
