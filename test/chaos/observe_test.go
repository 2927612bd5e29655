package chaos

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
)

// seen is what a run left behind, as text without what differs from run to run anyway: ids, times, random parts of
// labels.
type seen struct {
	Result     []string // of the workflow
	Tables     []string // names, identity, contents
	Grants     []string
	Statements []string // BACKUP, RESTORE, SWAP, RENAME, DROP, GRANT that the FE accepted, in order
	Objects    []string // of the repository
	Documents  []string // manifest and records
	Known      []string // repositories of the second cluster, where the run was there
}

// leftOver begins the line of a temporary object that is still there.
const leftOver = "LEFT OVER: "

// accepted lists the statements of one kind that the FE accepted for the trial's database.
func (c *trial) accepted(kind string) []starrockssim.Statement {
	return slices.DeleteFunc(c.sim.Accepted(kind+" "), func(s starrockssim.Statement) bool {
		return !strings.Contains(s.SQL, "`"+c.database+"`")
	})
}

func (c *trial) observe(result any) seen {
	text, err := json.MarshalIndent(result, "", " ")
	if err != nil {
		c.Fatal(err)
	}
	objects, documents := c.objects()
	return seen{
		Result: c.lines(string(text)), Tables: c.lines(c.tables()), Grants: c.lines(c.grants()), Statements: c.lines(c.statements()),
		Objects: objects, Documents: documents, Known: c.lines(c.repositories()),
	}
}

// tableIDs reads the ids of the database's tables: name by id.
func (c *trial) tableIDs() map[string]string {
	names := map[string]string{}
	for _, row := range c.query("SELECT TABLE_ID, TABLE_NAME FROM information_schema.tables_config WHERE TABLE_SCHEMA = '%s'") {
		names[row[0]] = row[1]
	}
	return names
}

// tables says of each table which one it is, by id, and what is in it.
func (c *trial) tables() string {
	var lines []string
	for id, name := range c.tableIDs() {
		who := "a new table"
		if was, ok := c.ids[id]; ok {
			who = "was " + was
		}
		lines = append(lines, fmt.Sprintf("%s: %s\n%s", name, who, c.sim.Content(c.database, name)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (c *trial) grants() string {
	var lines []string
	for _, from := range []string{"sys.grants_to_users", "sys.grants_to_roles"} {
		for _, row := range c.query("SELECT GRANTEE, OBJECT_NAME, PRIVILEGE_TYPE, IS_GRANTABLE FROM " + from + " WHERE OBJECT_DATABASE = '%s'") {
			lines = append(lines, strings.Join(row, " "))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (c *trial) query(format string) [][]string {
	rows, err := c.sim.Query(fmt.Sprintf(format, c.database))
	if err != nil {
		c.Errorf("%s: %v", format, err)
	}
	return rows
}

// statements lists what the FE was made to do. Nothing may be accepted twice: labels and timestamps tell attempts apart.
func (c *trial) statements() string {
	var lines []string
	for _, kind := range []string{"BACKUP", "RESTORE", "CANCEL", "ALTER", "DROP", "GRANT", "INSERT OVERWRITE"} {
		for _, s := range c.accepted(kind) {
			if slices.Contains(lines, s.SQL) {
				c.Errorf("accepted twice: %s", s.SQL)
			}
			lines = append(lines, s.SQL)
		}
	}
	return strings.Join(lines, "\n")
}

// objects lists what the run left in the repository and reads its documents. A restore must have left the snapshot that
// it was made from as it was, and nothing of its own beside it.
func (c *trial) objects() (names, documents []string) {
	native, own := "__starrocks_repository_"+testbed.RepositoryName+"/", restorepoint.ClusterPrefix(testbed.ClusterName)
	prefixes := []string{native + "__ss_sk_" + c.database + "_", native + "__ss_sk_" + c.lane.source + "_", native + "__ss_kept_" + c.database + "/", own + "snapshots/sk_" + c.database + "_"}
	if c.point != "" {
		prefixes = append(prefixes, own+"points/"+c.point+"/", own+"plans/"+c.point+"/")
	}
	if c.run != nil {
		prefixes = append(prefixes, own+"plans/restore-"+c.run.GetRunID()+"/")
	}
	var texts []string
	for _, prefix := range prefixes {
		for _, o := range keys(c.T, c.lane.bed.Store, prefix) {
			names = append(names, c.normalKey(o))
			if !strings.HasSuffix(o.Key, ".json") {
				continue
			}
			data, err := storage.ReadAll(c.Context(), c.lane.bed.Store, o.Key, 1<<20)
			if err != nil {
				c.Fatalf("read %s: %v", o.Key, err)
			}
			texts = append(texts, c.normal(o.Key+"\n"+string(data)))
		}
	}
	for _, temporary := range []string{"sk_beside_", restorepoint.ComposedPrefix} {
		for _, o := range keys(c.T, c.lane.bed.Store, native+"__ss_"+temporary) {
			if strings.Contains(o.Key, c.database) {
				names = append(names, leftOver+o.Key)
			}
		}
	}
	slices.Sort(names)
	slices.Sort(texts)
	return names, strings.Split(strings.Join(texts, "\n"), "\n")
}

// differing are the parts of a text that differ between two runs of the same. A tablet's header holds its id and schema
// hash, whose lengths differ, so sums of bytes do too.
var differing = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\d{8}T\d{6}Z-[0-9a-f]{6}`), "POINT"},
	{regexp.MustCompile(`_[0-9a-f]{12}_u`), "_SEED_u"},
	{regexp.MustCompile(`(starkeep_drill_|/drill-)[0-9a-f]{8}`), "${1}SEED"},
	{regexp.MustCompile(`__(restore|before)_[0-9a-f]{8}`), "__${1}_SEED"},
	{regexp.MustCompile(`__restored_\w+`), "__restored_TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-\d{3}`), "TIMESTAMP"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "RUN"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "SHA256"},
	{regexp.MustCompile(`((?:\.hdr|meta|info_TIMESTAMP)\.)[0-9a-f]{32}`), "${1}MD5"},
	{regexp.MustCompile(`\b[0-9a-f]{48}(_\d+\.dat)`), "ROWSET$1"},
	{regexp.MustCompile(`("(?:seconds|bytes|downloadBytes|needed|available)": ?)\d+`), "${1}0"},
	{regexp.MustCompile(`("schemaHash": ?)-?\d+`), "${1}0"},
	{regexp.MustCompile(`("planDigest": ?")[0-9a-f-]+`), "${1}DIGEST"},
	{regexp.MustCompile(`\b\d{5,}\b`), "ID"},
	{regexp.MustCompile(`(__(?:(?:tbl|part|idx|db)_)?)\d+`), "${1}ID"},
}

func (c *trial) normal(text string) string {
	text = strings.NewReplacer(c.database, "DATABASE", c.lane.source, "SOURCE", c.lane.wide, "WIDE", c.lane.mirror, "MIRROR", c.lane.elsewhere.name, "ELSEWHERE").Replace(text)
	for _, d := range differing {
		text = d.pattern.ReplaceAllString(text, d.with)
	}
	return text
}

func (c *trial) lines(text string) []string { return strings.Split(c.normal(text), "\n") }

// normalKey tells the size of data files only.
func (c *trial) normalKey(o storage.Object) string {
	key := c.normal(o.Key)
	if !strings.Contains(key, ".dat.") {
		return key
	}
	return fmt.Sprintf("%s %d", key, o.Size)
}
