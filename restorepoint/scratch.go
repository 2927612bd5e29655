package restorepoint

import "regexp"

// ScratchPrefix begins the name of every database that a check of a repository makes.
const ScratchPrefix = "starkeep_check_"

// ScratchDatabase is the database in which the repository profile is checked on the cluster profile. The name is the same
// for each check, so that one that died leaves nothing which the next does not find; short enough to stand whole in labels.
func ScratchDatabase(cluster, repository string) string {
	return ScratchPrefix + digest(8, cluster, repository)
}

var scratch = regexp.MustCompile(`^` + ScratchPrefix + `[0-9a-f]{8}$`)

// IsScratch tells whether a database was made by a check. Backups leave such databases out unless they are named in full.
func IsScratch(database string) bool { return scratch.MatchString(database) }

// ScratchLabels begins the labels of all snapshots of a scratch database.
func ScratchLabels(database string) string { return "sk_" + database + "_" }

// ScratchPrefixes are the prefixes of all that a check writes down about a scratch database of the cluster.
func ScratchPrefixes(cluster, database string) []string {
	return []string{ProbePrefix(cluster, database), PlanPrefix(cluster, database), ProofPrefix(cluster, database), ClusterPrefix(cluster) + "snapshots/" + ScratchLabels(database)}
}
