package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// yearly never falls due by itself while the test runs.
const timetable = `
schedules:
  yearly:
    cron: "0 0 1 1 *"
    timeZone: Europe/Berlin
    backup: {cluster: prod, repository: repo, include: [sales]}
  drills:
    cron: "0 0 1 1 *"
    drill: {cluster: prod, repository: repo, sample: 1/1}
  checks:
    cron: "0 0 1 1 *"
    verify: {cluster: prod, where: repo, points: [all]}
goals:
  - {cluster: prod, databases: [sales], backup: 1h, verify: 1h, drill: 1h}
  - {cluster: prod, backup: 1h}
`

// seenStatus is what a monitor reads of starkeep status.
type seenStatus struct {
	Databases []struct {
		spec.DatabaseStatus
		Missed []string `json:"missed"`
	} `json:"databases"`
	Schedules []struct {
		Name     string   `json:"name"`
		Problems []string `json:"problems"`
	} `json:"schedules"`
	Mirrors []spec.MirrorStatus `json:"mirrors"`
	Unknown []string            `json:"unknown"`
}

// timed is a bed whose worker has a timetable, with the two CLIs.
type timed struct {
	*testbed.Bed
	t                  *testing.T
	starkeep, temporal string
	mirror             storage.Store
}

func newTimed(t *testing.T) timed {
	mirror, store := mirrorAt(t, t.TempDir())
	b := testbed.Start(t, testbed.Options{Mirrors: []testbed.Repository{mirror}})
	config, err := os.ReadFile(b.Config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.Config, append(config, timetable...), 0o600); err != nil {
		t.Fatal(err)
	}
	b.StartWorker(t)
	return timed{b, t, testbed.Command(t, "starkeep", "starter"), testbed.Binary(t, "STARKEEP_TEMPORAL", "temporal"), store}
}

// run answers a command's stdout; it must end with the exit code.
func (c timed) run(code int, binary string, args ...string) string {
	c.t.Helper()
	command := exec.CommandContext(c.t.Context(), binary, args...)
	command.Env = append(command.Environ(), "TEMPORAL_ADDRESS="+c.Temporal, "TEMPORAL_NAMESPACE="+c.Namespace)
	var said bytes.Buffer
	command.Stderr = &said
	out, err := command.Output()
	if command.ProcessState == nil || command.ProcessState.ExitCode() != code {
		c.t.Fatalf("%s %s: %v, want exit code %d\n%s%s", filepath.Base(binary), strings.Join(args, " "), err, code, out, said.String())
	}
	return string(out)
}

// status reads it as data.
func (c timed) status(code int) (seen seenStatus) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(c.run(code, c.starkeep, "status", "-o", "json")), &seen); err != nil {
		c.t.Fatal(err)
	}
	return seen
}

// missed lists "database kind" of the goals that are missed.
func (s seenStatus) missed() (list []string) {
	for _, d := range s.Databases {
		for _, kind := range d.Missed {
			list = append(list, d.Database+" "+kind)
		}
	}
	return list
}

// due makes a schedule catch up with the run of one moment, and waits for its end.
func (c timed) due(schedule string, at time.Time, into any) {
	c.t.Helper()
	err := c.Client.ScheduleClient().GetHandle(c.t.Context(), schedule).Backfill(c.t.Context(), client.ScheduleBackfillOptions{
		Backfill: []client.ScheduleBackfill{{Start: at.Add(-time.Minute), End: at.Add(time.Minute), Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL}}})
	if err != nil {
		c.t.Fatal(err)
	}
	id := ""
	eventually(c.t, "schedule "+schedule+" starts the run of "+at.String(), func() bool {
		found, err := c.Client.ScheduleClient().GetHandle(c.t.Context(), schedule).Describe(c.t.Context())
		if err != nil {
			c.t.Fatal(err)
		}
		for _, action := range found.Info.RecentActions {
			if action.StartWorkflowResult != nil && strings.HasSuffix(action.StartWorkflowResult.WorkflowID, at.UTC().Format("-2006-01-02T15:04:05Z")) {
				id = action.StartWorkflowResult.WorkflowID
			}
		}
		return id != ""
	})
	if err := c.Client.GetWorkflow(c.t.Context(), id, "").Get(c.t.Context(), into); err != nil {
		c.t.Fatalf("%s: %v", id, err)
	}
}

// TestSchedulesRunAndStatusTells: what the configuration schedules is applied and runs; a run that is made up for is named by
// the time that it was due; status tells each goal that is missed, and why.
func TestSchedulesRunAndStatusTells(t *testing.T) {
	t.Parallel()
	c := newTimed(t)
	sales(t, c.Bed)
	c.Must(t, "CREATE DATABASE nothing_in_it")
	if out := c.run(0, c.starkeep, "schedule", "apply"); out != "created checks\ncreated drills\ncreated yearly\n" {
		t.Errorf("apply says\n%s", out)
	}
	if out := c.run(0, c.starkeep, "schedule", "apply", "-o", "json"); !strings.Contains(out, `"same": 3`) {
		t.Errorf("apply is not idempotent:\n%s", out)
	}
	seen := c.status(3)
	if got, want := seen.missed(), []string{"sales backup", "sales verify", "sales drill", "web backup"}; !slices.Equal(got, want) || len(seen.Databases) != 2 {
		t.Errorf("before the first backup %v are missed, want %v: %+v", got, want, seen.Databases)
	}

	newYear := time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC) // midnight in Berlin
	var made spec.BackupResult
	c.due("yearly", newYear, &made)
	if !made.Complete || !strings.HasPrefix(made.Point, "20251231T230000Z-") {
		t.Errorf("the point of a run that was due at %v is %s", newYear, made.Point)
	}
	shown := showPoint(t, c.Bed, made.Point)
	if began, err := time.Parse(time.RFC3339, shown.CreatedAt); err != nil || time.Since(began) > time.Hour {
		t.Errorf("it was created at %s", shown.CreatedAt)
	}
	if got, want := c.status(3).missed(), []string{"sales verify", "sales drill", "web backup"}; !slices.Equal(got, want) {
		t.Errorf("after a backup of sales %v are missed, want %v", got, want)
	}
	var verified spec.VerifyResult
	c.due("checks", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), &verified)
	checked := c.status(3)
	if got, want := checked.missed(), []string{"sales drill", "web backup"}; !slices.Equal(got, want) {
		t.Errorf("after a verification %v are missed, want %v", got, want)
	}
	if v := checked.Databases[0].Verified; v == nil || v.Point != made.Point || v.At != shown.CreatedAt {
		t.Errorf("the verified point of sales is %+v, want %s of %s", v, made.Point, shown.CreatedAt)
	}
	var drilled spec.DrillResult
	c.due("drills", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), &drilled)

	heal := c.Sim.FailTasks(starrockssim.Fault{Type: "MAKE_SNAPSHOT", Database: "web", Times: -1, Error: "disk is broken"})
	if _, err := runBackup(t, c.Bed, spec.Backup{}); err == nil {
		t.Fatal("the backup of web did not fail")
	}
	heal()
	partial := c.status(3)
	if got, want := partial.missed(), []string{"web backup"}; !slices.Equal(got, want) || partial.Databases[0].Good.Point == made.Point {
		t.Errorf("after a backup in which web failed %v are missed, want %v; sales was backed up with it: %+v", got, want, partial.Databases[0])
	}
	if _, err := runBackup(t, c.Bed, spec.Backup{Include: []string{"web.hits"}}); err != nil {
		t.Fatal(err)
	}
	if part := c.status(3).Databases[1].Part; part == nil {
		t.Error("a backup of single tables is not told")
	}
	last, err := runBackup(t, c.Bed, spec.Backup{Include: []string{"web"}, Mirrors: []string{mirrorName}})
	if err != nil {
		t.Fatal(err)
	}
	met := c.status(0)
	if len(met.missed()) > 0 || len(met.Unknown) > 0 || met.Databases[1].Part != nil || met.Databases[0].Drilled == nil {
		t.Errorf("every goal should be met: %+v", met)
	}

	c.lags(last.Point)

	c.run(0, c.temporal, "schedule", "toggle", "--schedule-id", "yearly", "--pause", "--reason", "by temporal")
	paused := func() bool {
		for _, s := range c.status(0).Schedules {
			if s.Name == "yearly" && slices.Contains(s.Problems, "paused: by temporal") {
				return true
			}
		}
		return false
	}
	eventually(t, "status shows that the schedule is paused", paused)
}

// lags lets the mirror lose its one restore point, and get it back.
func (c timed) lags(point string) {
	c.t.Helper()
	copyEnded(c.t, c.Bed)
	want := spec.MirrorStatus{Mirror: mirrorName, Cluster: testbed.ClusterName, Repository: testbed.RepositoryName}
	if got := c.status(0).Mirrors; !slices.Equal(got, []spec.MirrorStatus{want}) {
		c.t.Errorf("mirrors %+v, want %+v", got, want)
	}
	if err := c.mirror.Delete(c.t.Context(), restorepoint.ManifestKey(testbed.ClusterName, point)); err != nil {
		c.t.Fatal(err)
	}
	want.Behind, want.Since = 1, showPoint(c.t, c.Bed, point).CreatedAt
	if got := c.status(0).Mirrors; !slices.Equal(got, []spec.MirrorStatus{want}) {
		c.t.Errorf("mirrors %+v, want %+v", got, want)
	}
	if text := c.run(0, c.starkeep, "status"); !strings.Contains(text, "1 restore point behind, the oldest is of ") {
		c.t.Errorf("status says\n%s", text)
	}
	c.run(0, c.starkeep, "backup", "copy", "--cluster", testbed.ClusterName, "--from", testbed.RepositoryName, "--to", mirrorName, "--point", point)
	if got := c.status(0).Mirrors; len(got) != 1 || got[0].Behind != 0 {
		c.t.Errorf("after a copy: mirrors %+v", got)
	}
}

// TestWhatChangedAndWhatItTakes: diff and usage read what real backups wrote.
func TestWhatChangedAndWhatItTakes(t *testing.T) {
	t.Parallel()
	c := newTimed(t)
	sales(t, c.Bed)
	first, err := runBackup(t, c.Bed, spec.Backup{})
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"INSERT INTO sales.orders VALUES ('2026-02-06', 9, 'Kiev', 90)",
		"ALTER TABLE sales.orders ADD PARTITION p4 VALUES LESS THAN ('2026-05-01')", "ALTER TABLE sales.orders DROP PARTITION p1",
		"TRUNCATE TABLE sales.customers", "DROP TABLE web.hits FORCE",
		`CREATE TABLE web.clicks (id BIGINT NOT NULL) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1 PROPERTIES("replication_num"="1")`,
	} {
		c.Must(t, sql)
	}
	awaitNextSecond(t)
	second, err := runBackup(t, c.Bed, spec.Backup{Incremental: true})
	if err != nil {
		t.Fatal(err)
	}
	at := []string{"--cluster", testbed.ClusterName, "--repository", testbed.RepositoryName, "-o", "json"}
	var d spec.Difference
	if err := json.Unmarshal([]byte(c.run(0, c.starkeep, append([]string{"backup", "diff", "latest~1", "latest"}, at...)...)), &d); err != nil {
		t.Fatal(err)
	}
	if d.From.ID != first.Point || d.To.ID != second.Point || d.Changed != 4 || d.Same != 0 || d.Rows != 1-2-3-2 {
		t.Errorf("%+v", d)
	}
	got := map[string]spec.TableDifference{}
	for _, table := range d.Tables {
		got[table.Database+"."+table.Table] = table
	}
	orders := got["sales.orders"]
	if orders.Change != spec.ChangeData || !slices.Equal(orders.Added, []string{"p4"}) || !slices.Equal(orders.Dropped, []string{"p1"}) || !slices.Equal(orders.Changed, []string{"p2"}) || orders.Partitions.Same != 1 {
		t.Errorf("sales.orders: %+v", orders)
	}
	if got["sales.customers"].Partitions.Replaced != 1 || got["web.hits"].Change != spec.ChangeDropped || got["web.clicks"].Change != spec.ChangeCreated {
		t.Errorf("%+v", got)
	}
	c.run(1, c.starkeep, append([]string{"backup", "diff", "20200101T000000Z-abcdef", "latest"}, at...)...)

	var u spec.Usage
	if err := json.Unmarshal([]byte(c.run(0, c.starkeep, append([]string{"backup", "usage"}, at...)...)), &u); err != nil {
		t.Fatal(err)
	}
	if u.PointCount != 2 || u.Newest != second.Point || u.Unneeded != 0 || len(u.Unreadable) > 0 || u.Bytes != u.Points[0].Added+u.Points[1].Added || u.Ages[0].Bytes != u.Bytes {
		t.Errorf("%+v", u)
	}
	newer, older := u.Points[0], u.Points[1]
	if newer.ID != second.Point || older.Unique == 0 || newer.Unique == 0 || newer.Shared == 0 || newer.Shared != older.Shared || newer.Added != newer.Unique {
		t.Errorf("the incremental point needs a part of what the full one made: %+v, %+v", newer, older)
	}
	tables := map[string]spec.TableUsage{}
	for _, table := range u.Tables {
		tables[table.Database+"."+table.Table] = table
	}
	if hits := tables["web.hits"]; hits.Holds != 0 || hits.Bytes == 0 {
		t.Errorf("a dropped table is still stored: %+v", hits)
	}
	if orders := tables["sales.orders"]; orders.Holds == 0 || orders.Bytes <= orders.Holds {
		t.Errorf("sales.orders has older partitions too: %+v", orders)
	}
}
