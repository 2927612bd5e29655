package restorepoint

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

const reportExt = ".json"

// ProofPrefix is the prefix of the proofs of one restore's tables, until its report is made of them.
func ProofPrefix(cluster, run string) string { return ClusterPrefix(cluster) + "proofs/" + run + "/" }

// ProofKey is where the proof of the table-th table of a database's plan lies (PlanKey). Anybody may delete it once the
// restore is over.
func ProofKey(cluster, run, database string, table int) string {
	return ProofPrefix(cluster, run) + fileName(database) + "." + strconv.Itoa(table) + planExt
}

// ReportPrefix is the prefix of the proofs of all restores of a point.
func ReportPrefix(cluster, point string) string { return PointPrefix(cluster) + point + "/restores/" }

// ReportKey is where the proof of one restore of a point lies. Keys sort by time; seed tells restores of one second apart.
func ReportKey(cluster, point string, at time.Time, seed string) string {
	return ReportPrefix(cluster, point) + NewPointID(at, seed) + reportExt
}

// DrillPrefix is the prefix of what was written down of all drills of a point.
func DrillPrefix(cluster, point string) string { return PointPrefix(cluster) + point + "/drills/" }

// DrillKey is where one drill of a point is written down. Keys sort by time.
func DrillKey(cluster, point string, at time.Time, seed string) string {
	return DrillPrefix(cluster, point) + NewPointID(at, seed) + reportExt
}

// MigrationKey is where the result of a migration is kept that brought the point to its target.
func MigrationKey(cluster, point string, at time.Time, seed string) string {
	return PointPrefix(cluster) + point + "/migrations/" + NewPointID(at, seed) + reportExt
}

// VerificationPrefix is the prefix of what was written down of all verifications of a point, in the store that was
// verified.
func VerificationPrefix(cluster, point string) string {
	return PointPrefix(cluster) + point + "/verifications/"
}

// VerificationKey is where one verification of a point is written down. Keys sort by time; all points of one verification
// share time and seed.
func VerificationKey(cluster, point string, at time.Time, seed string) string {
	return VerificationPrefix(cluster, point) + NewPointID(at, seed) + reportExt
}

// parsePointFile takes apart what lies in a directory of a restore point.
func parsePointFile(parts []string) (Key, bool) {
	if len(parts) != 5 || parts[1] != "points" {
		return Key{}, false
	}
	kind, known := map[string]KeyKind{"restores": KeyReport, "drills": KeyDrill, "migrations": KeyMigration, "verifications": KeyVerification}[parts[3]]
	run, named := strings.CutSuffix(parts[4], reportExt)
	_, badPoint := ParsePointID(parts[2])
	_, badRun := ParsePointID(run)
	return Key{Kind: kind, Cluster: parts[0], Point: parts[2], Run: run}, known && named && badPoint == nil && badRun == nil
}

func parseProofFile(k Key, file string) (Key, bool) {
	name, ok := strings.CutSuffix(file, planExt)
	dot := strings.LastIndexByte(name, '.')
	if !ok || dot < 1 {
		return k, false
	}
	n, err := strconv.Atoi(name[dot+1:])
	if err != nil || n < 0 || strconv.Itoa(n) != name[dot+1:] {
		return k, false
	}
	k.Number, name = n, name[:dot]
	if strings.HasPrefix(name, "~") {
		return k, true
	}
	database, err := url.QueryUnescape(name)
	k.Database = database
	return k, err == nil && fileName(database) == name
}
