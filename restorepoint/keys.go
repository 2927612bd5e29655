package restorepoint

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Root is the prefix of everything that starkeep writes below a repository's location. StarRocks' own directory lies
// next to it.
const Root = "__starkeep/v1/"

const (
	manifestFile = "manifest.json"
	snapshotFile = "snapshot.json"
	objectsExt   = ".jsonl.zst"
	planExt      = ".json.zst"

	maxPlanName = 200 // bytes of an escaped database name; file systems take 255 for one name
	pointLayout = "20060102T150405Z"
)

var (
	clusterName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	segment     = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,200}$`)
	pointID     = regexp.MustCompile(`^([0-9]{8}T[0-9]{6}Z)-[0-9a-f]{6}$`)
)

// ErrNotOurKey is returned for a key that this package does not make.
var ErrNotOurKey = errors.New("not a key of starkeep")

// CheckClusterName refuses a cluster name that cannot be part of a key: it has 1 to 64 characters of [A-Za-z0-9_.-]
// and is neither "." nor "..".
func CheckClusterName(name string) error {
	if !clusterName.MatchString(name) || name == "." || name == ".." {
		return fmt.Errorf("cluster name %q: use 1 to 64 of the characters A-Z a-z 0-9 _ . -", name)
	}
	return nil
}

// NewPointID makes the id of a restore point: its time in UTC, by which ids sort, and six hex digits of the seed.
func NewPointID(t time.Time, seed string) string {
	return t.UTC().Format(pointLayout) + "-" + digest(6, seed)
}

// ParsePointID gives the time in a restore point's id, to the second, in UTC.
func ParsePointID(id string) (time.Time, error) {
	m := pointID.FindStringSubmatch(id)
	if m == nil {
		return time.Time{}, fmt.Errorf("restore point id %q: want the form 20261122T150405Z-1a2b3c", id)
	}
	t, err := time.Parse(pointLayout, m[1])
	if err != nil {
		return time.Time{}, fmt.Errorf("restore point id %q: %w", id, err)
	}
	return t, nil
}

// KeyKind says what lies under a key of ours.
type KeyKind string

// The kinds of keys, in the order of docs/formats.md.
const (
	KeyManifest KeyKind = "manifest"
	KeyPin      KeyKind = "pin"
	KeyGoing    KeyKind = "going" // the mark of a restore point
	KeySnapshot KeyKind = "snapshot"
	KeyMark     KeyKind = "mark"
	KeyObjects  KeyKind = "objects"
	KeyPlan     KeyKind = "plan"
	KeyProof    KeyKind = "proof"
	KeyReport   KeyKind = "report"
	KeyDrill    KeyKind = "drill"
	KeyProbe    KeyKind = "probe"

	KeyVerification KeyKind = "verification"

	KeyMigration KeyKind = "migration"
)

// Key is a key of ours, taken apart. Which fields are set depends on Kind.
type Key struct {
	Kind    KeyKind
	Cluster string
	Point   string // KeyManifest, KeyPin, KeyGoing, KeyReport, KeyDrill, KeyMigration
	Label   string // KeySnapshot, KeyObjects
	Number  int    // KeyObjects: 1, 2, …; KeyProof: index of the table in its plan
	Run     string // KeyPlan, KeyProof: the point id of a backup, or the run of a restore; KeyProbe: the scratch database; KeyReport, KeyDrill, KeyMigration: as NewPointID
	File    string // KeyProbe
	// Database of a KeyPlan or KeyProof. "" if the name was too long for a key: the plan itself says which it is.
	Database string
}

// ClusterPrefix is the prefix of all that starkeep keeps of a cluster.
func ClusterPrefix(cluster string) string { return Root + cluster + "/" }

// PointPrefix is the prefix of all restore points of a cluster.
func PointPrefix(cluster string) string { return ClusterPrefix(cluster) + "points/" }

// ManifestKey is where a restore point's manifest lies; its presence is the commit.
func ManifestKey(cluster, point string) string {
	return PointPrefix(cluster) + point + "/" + manifestFile
}

// SnapshotPrefix is the prefix of what we wrote down about one native snapshot.
func SnapshotPrefix(cluster, label string) string {
	return ClusterPrefix(cluster) + "snapshots/" + label + "/"
}

// SnapshotKey is where the record of a native snapshot lies.
func SnapshotKey(cluster, label string) string { return SnapshotPrefix(cluster, label) + snapshotFile }

// ObjectsKey is where the nth object list of a native snapshot lies; n starts at 1.
func ObjectsKey(cluster, label string, n int) string {
	return SnapshotPrefix(cluster, label) + "objects-" + strconv.Itoa(n) + objectsExt
}

// PlanPrefix is the prefix of one run's plans.
func PlanPrefix(cluster, run string) string { return ClusterPrefix(cluster) + "plans/" + run + "/" }

// PlanKey is where the plan of one database lies. run is [A-Za-z0-9_.-]: the point id of a backup, or an id of the
// restore. The database's name is percent-escaped; one that would be too long for a file name is shortened and told
// apart by a digest.
func PlanKey(cluster, run, database string) string {
	return PlanPrefix(cluster, run) + fileName(database) + planExt
}

// fileName is a database's name as a file's.
func fileName(database string) string {
	name := strings.ReplaceAll(url.QueryEscape(database), "~", "%7E")
	if len(name) > maxPlanName || name == "" {
		short := sanitize(database)
		name = "~" + short[:min(len(short), 40)] + "-" + digest(32, database)
	}
	return name
}

// ProbePrefix is the prefix of the objects with which one repository's rights are tried; run is [A-Za-z0-9_.-].
func ProbePrefix(cluster, run string) string { return ClusterPrefix(cluster) + "probes/" + run + "/" }

// ProbeKey is where one of them lies; file is [A-Za-z0-9_.-].
func ProbeKey(cluster, run, file string) string { return ProbePrefix(cluster, run) + file }

// ParseKey takes a key of ours apart; ErrNotOurKey for any other. It accepts exactly what the functions above make.
func ParseKey(key string) (Key, error) {
	k, ok := parseKey(key)
	if !ok {
		return Key{}, fmt.Errorf("%q: %w", key, ErrNotOurKey)
	}
	return k, nil
}

func parseKey(key string) (Key, bool) {
	rest, ok := strings.CutPrefix(key, Root)
	if !ok {
		return Key{}, false
	}
	parts := strings.Split(rest, "/")
	if len(parts) < 4 || CheckClusterName(parts[0]) != nil || !isSegment(parts[2]) {
		return Key{}, false
	}
	if len(parts) > 4 {
		return parsePointFile(parts)
	}
	cluster, id, file := parts[0], parts[2], parts[3]
	switch parts[1] {
	case "points":
		kind, known := map[string]KeyKind{manifestFile: KeyManifest, pinFile: KeyPin, markFile: KeyGoing}[file]
		_, err := ParsePointID(id)
		return Key{Kind: kind, Cluster: cluster, Point: id}, err == nil && known
	case "snapshots":
		return parseSnapshotFile(Key{Cluster: cluster, Label: id}, file)
	case "plans":
		return parsePlanFile(Key{Kind: KeyPlan, Cluster: cluster, Run: id}, file)
	case "proofs":
		return parseProofFile(Key{Kind: KeyProof, Cluster: cluster, Run: id}, file)
	case "probes":
		return Key{Kind: KeyProbe, Cluster: cluster, Run: id, File: file}, isSegment(file)
	}
	return Key{}, false
}

func parseSnapshotFile(k Key, file string) (Key, bool) {
	switch file {
	case snapshotFile:
		k.Kind = KeySnapshot
		return k, true
	case markFile:
		k.Kind = KeyMark
		return k, true
	}
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(file, "objects-"), objectsExt))
	k.Kind, k.Number = KeyObjects, n
	return k, err == nil && n > 0 && ObjectsKey(k.Cluster, k.Label, n) == SnapshotPrefix(k.Cluster, k.Label)+file
}

func parsePlanFile(k Key, file string) (Key, bool) {
	name, ok := strings.CutSuffix(file, planExt)
	if !ok || name == "" {
		return k, false
	}
	if strings.HasPrefix(name, "~") {
		return k, true
	}
	database, err := url.QueryUnescape(name)
	k.Database = database
	return k, err == nil && PlanKey(k.Cluster, k.Run, database) == PlanPrefix(k.Cluster, k.Run)+file
}

func isSegment(s string) bool { return segment.MatchString(s) && s != "." && s != ".." }
