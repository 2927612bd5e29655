package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// byHand sends BACKUP as an operator would, without starkeep, and waits for its end.
func byHand(t *testing.T, b *testbed.Bed, sim *starrockssim.Cluster, database, label, on string) {
	t.Helper()
	if err := sim.Exec(fmt.Sprintf("BACKUP SNAPSHOT %s.%s TO %s%s", database, label, testbed.RepositoryName, on)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "BACKUP "+label+" is finished", func() bool {
		rows, err := sim.Query("SHOW BACKUP FROM " + database)
		return err == nil && len(rows) == 1 && strings.Contains(strings.Join(rows[0], "|"), label) && strings.Contains(strings.Join(rows[0], "|"), "|FINISHED|")
	})
}

func adopt(t *testing.T, b *testbed.Bed, label, timestamp string) (spec.AdoptResult, error) {
	t.Helper()
	in := spec.Adopt{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Label: label, Timestamp: timestamp}
	var out spec.AdoptResult
	err := execute(t, b, spec.AdoptWorkflow, spec.AdoptID(in.Cluster, in.Repository, label), in, &out)
	return out, err
}

// TestANativeSnapshotIsAdoptedAndRestored: a BACKUP typed by hand becomes a restore point; the tables come back from it by
// a swap, under another database's name, and by naming the snapshot itself.
func TestANativeSnapshotIsAdoptedAndRestored(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	b.Must(t, "CREATE VIEW sales.latest AS SELECT id FROM sales.orders")
	before := contents(b, salesTables...)
	byHand(t, b, b.Sim, "sales", "by_hand", "")
	b.Must(t, "DELETE FROM sales.customers WHERE id = 2")
	b.Must(t, "TRUNCATE TABLE sales.orders")

	first, err := adopt(t, b, "by_hand", "")
	if err != nil {
		t.Fatal(err)
	}
	if first.Existing || first.Database != "sales" || first.Tables != 2 || first.Partitions != 4 || first.Tablets != 9 || len(first.NotKnown) == 0 {
		t.Errorf("adopted: %+v", first)
	}
	again, err := adopt(t, b, "by_hand", first.Timestamp)
	if err != nil || again.Point != first.Point || !again.Existing {
		t.Errorf("adopted again: %+v, %v; want the same point", again, err)
	}
	shown := showPoint(t, b, first.Point)
	if shown.Origin != restorepoint.OriginAdopted || !shown.Complete || len(shown.NotKnown) == 0 {
		t.Errorf("shown: %+v", shown)
	}
	if _, err := runRestore(t, b, spec.Restore{}); errorType(err) != spec.ErrorSnapshotMissing {
		t.Errorf("latest: %v; an adopted point must be named", err)
	}

	t.Run("swapped", func(t *testing.T) {
		out, err := runRestore(t, b, spec.Restore{Point: first.Point})
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"orders", "customers"} {
			if got := b.Sim.Content("sales", table); got != before["sales."+table] {
				t.Errorf("%s:\n%s\nwant\n%s", table, got, before["sales."+table])
			}
		}
		if !strings.Contains(strings.Join(out.Warnings, "; "), "adopted") || out.Tables[0].RowsProven {
			t.Errorf("the result claims more than is known: %+v", out)
		}
		report := readReport(t, b, out)
		if report.Result != restorepoint.ReportProven || report.Counts.NotCompared == 0 || report.Tables[0].DDL.Compared {
			t.Errorf("report: %+v", report.Counts)
		}
	})
	t.Run("into another database, named as a snapshot", func(t *testing.T) {
		out, err := runRestore(t, b, spec.Restore{Snapshot: &spec.NativeSnapshot{Label: "by_hand"}, Rename: map[string]string{"sales": "copy"}})
		if err != nil {
			t.Fatal(err)
		}
		if out.Point != first.Point {
			t.Errorf("restored from %s, want %s", out.Point, first.Point)
		}
		for _, table := range []string{"orders", "customers"} {
			if got := b.Sim.Content("copy", table); got != before["sales."+table] {
				t.Errorf("copy.%s:\n%s\nwant\n%s", table, got, before["sales."+table])
			}
		}
	})
	t.Run("one of starkeep's own", func(t *testing.T) {
		own, err := runBackup(t, b, spec.Backup{Include: []string{"web"}})
		if err != nil {
			t.Fatal(err)
		}
		m := readManifest(t, b, own.Point)
		out, err := adopt(t, b, m.Snapshots[0].Label, "")
		if err != nil {
			t.Fatal(err)
		}
		adopted := readManifest(t, b, out.Point)
		if adopted.Snapshots[0].SHA256 != m.Snapshots[0].SHA256 || len(out.NotKnown) != 0 || !adopted.Databases[0].Tables[0].Partitions[0].RowsExact {
			t.Errorf("its record is not used as it is: %+v", adopted)
		}
	})
	t.Run("listed", func(t *testing.T) {
		text, code := starkeep(t, b, "backup", "list", "--native", "--cluster", testbed.ClusterName, "--repository", testbed.RepositoryName, "-o", "json")
		var out struct{ Snapshots []spec.SnapshotRow }
		if err := json.Unmarshal(text, &out); err != nil || code != 0 {
			t.Fatalf("%v, exit code %d: %s", err, code, text)
		}
		var foreign, ours int
		for _, s := range out.Snapshots {
			switch {
			case s.Label == "by_hand" && s.Timestamp == first.Timestamp && s.Recorded && !s.Ours && s.Problem == "" && s.Database == "sales":
				foreign++
			case s.Ours && s.Recorded && s.Problem == "":
				ours++
			default:
				t.Errorf("listed: %+v", s)
			}
		}
		if foreign != 1 || ours != 1 {
			t.Errorf("listed: %s", text)
		}
	})
}

func readManifest(t *testing.T, b *testbed.Bed, point string) restorepoint.Manifest {
	t.Helper()
	m, err := restorepoint.DecodeManifest(depot{b, t}.read(restorepoint.ManifestKey(testbed.ClusterName, point)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// readReport reads the proof that a restore says it has stored.
func readReport(t *testing.T, b *testbed.Bed, out spec.RestoreResult) restorepoint.Report {
	t.Helper()
	at := strings.Index(out.Report, restorepoint.Root)
	if at < 0 {
		t.Fatalf("the restore stored no proof: %+v", out)
	}
	report, err := restorepoint.DecodeReport(depot{b, t}.read(out.Report[at:]))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestSnapshotsThatCannotBeAdopted: every kind of damage is refused with what to do, and nothing is written down.
func TestSnapshotsThatCannotBeAdopted(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	d := depot{b, t}
	sales(t, b)
	byHand(t, b, b.Sim, "sales", "by_hand", "")
	good := d.state()
	info, meta := d.keys(`/__info_[^/]*$`)[0], d.keys(`/__meta\.[0-9a-f]{32}$`)[0]
	data, header := d.keys(`\.dat\.[0-9a-f]{32}$`)[0], d.keys(`\.hdr\.[0-9a-f]{32}$`)[0]
	at := starrocks.Snapshot{Repository: testbed.RepositoryName, Label: "by_hand"}
	writeInfo := func(timestamp string, change func(string) string) {
		text := []byte(change(string(good[info])))
		d.write(at.InfoKey(timestamp, text), text)
	}
	key, err := starrocks.ParseKey(info)
	if err != nil {
		t.Fatal(err)
	}
	same := func(s string) string { return s }

	for name, c := range map[string]struct {
		damage           func()
		label, timestamp string
		kind, says       string
	}{
		"no such label":        {func() {}, "nobody", "", spec.ErrorSnapshotMissing, "no such snapshot"},
		"no such timestamp":    {func() {}, "by_hand", "2020-01-01-00-00-00-000", spec.ErrorSnapshotMissing, "no __info of the timestamp"},
		"only debris":          {func() { d.remove(info, meta) }, "by_hand", "", spec.ErrorSnapshotMissing, "did not finish"},
		"__meta is missing":    {func() { d.remove(meta) }, "by_hand", "", spec.ErrorChecksumMismatch, "__meta"},
		"__meta twice":         {func() { d.write(meta[:len(meta)-32]+strings.Repeat("0", 32), good[meta]) }, "by_hand", "", spec.ErrorChecksumMismatch, "more than one __meta"},
		"__meta is damaged":    {func() { d.write(meta, append(good[meta][:len(good[meta])-1:len(good[meta])-1], ' ')) }, "by_hand", "", spec.ErrorChecksumMismatch, "is damaged"},
		"__meta is binary":     {func() { d.remove(meta); bin := []byte{0, 0, 0, 1, 0, 3, 'a'}; d.write(at.MetaKey(bin), bin) }, "by_hand", "", spec.ErrorVersionUnsupported, "restore it by hand"},
		"__info is damaged":    {func() { d.write(info, append(good[info][:len(good[info])-1:len(good[info])-1], ' ')) }, "by_hand", "", spec.ErrorChecksumMismatch, "is damaged"},
		"two timestamps":       {func() { writeInfo("2026-01-01-00-00-00-000", same) }, "by_hand", "", spec.ErrorInvalidSpec, "2026-01-01-00-00-00-000"},
		"two of one timestamp": {func() { writeInfo(key.Timestamp, func(s string) string { return s + " " }) }, "by_hand", "", spec.ErrorChecksumMismatch, "2 __info files"},
		"of another label": {func() {
			d.remove(info)
			writeInfo(key.Timestamp, func(s string) string { return strings.Replace(s, `"by_hand"`, `"other"`, 1) })
		}, "by_hand", "", spec.ErrorChecksumMismatch, `names the label "other"`},
		"a version differs":      {func() { d.remove(info); writeInfo(key.Timestamp, otherVersion) }, "by_hand", "", spec.ErrorChecksumMismatch, "do not belong together"},
		"a tablet is missing":    {func() { d.remove(d.keys(strings.ReplaceAll(dirOf(data), ".", `\.`))...) }, "by_hand", "", spec.ErrorChecksumMismatch, "directory is missing"},
		"a header is missing":    {func() { d.remove(header) }, "by_hand", "", spec.ErrorChecksumMismatch, "neither a .hdr"},
		"a file with two MD5":    {func() { d.write(data[:len(data)-32]+strings.Repeat("0", 32), []byte("x")) }, "by_hand", "", spec.ErrorChecksumMismatch, "two MD5"},
		"a label that is a path": {func() {}, "by/hand", "", spec.ErrorInvalidSpec, "label"},
	} {
		t.Run(name, func(t *testing.T) {
			defer d.mend(good)
			c.damage()
			_, err := adopt(t, b, c.label, c.timestamp)
			if errorType(err) != c.kind || !strings.Contains(err.Error(), c.says) {
				t.Errorf("ended as %q: %v\nwant %s that says %q", errorType(err), err, c.kind, c.says)
			}
			for key := range d.state() {
				if strings.HasPrefix(key, restorepoint.Root) {
					t.Errorf("%s was written", key)
				}
			}
		})
	}
	if out, err := adopt(t, b, "by_hand", ""); err != nil || out.Tables != 2 {
		t.Errorf("after all was mended: %+v, %v", out, err)
	}
}

// otherVersion raises the version of one partition in an __info, consistently with nothing else.
func otherVersion(info string) string {
	var f map[string]any
	decoder := json.NewDecoder(strings.NewReader(info))
	decoder.UseNumber()
	if decoder.Decode(&f) != nil {
		return ""
	}
	customers := f["backup_objects"].(map[string]any)["customers"].(map[string]any)["partitions"].(map[string]any)["customers"].(map[string]any)
	for _, physical := range customers["subPartitions"].(map[string]any) {
		physical.(map[string]any)["version"] = 99
	}
	text, err := json.Marshal(f)
	if err != nil {
		return ""
	}
	return string(text)
}

// TestLatestBefore: latest~N counts complete points only, and says how many there are.
func TestLatestBefore(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	var points, was []string
	for i := range 3 {
		b.Must(t, fmt.Sprintf("INSERT INTO sales.customers VALUES (%d, 'n')", 10+i))
		was = append(was, b.Sim.Content("sales", "customers"))
		out, err := runBackup(t, b, spec.Backup{Include: []string{"sales"}})
		if err != nil {
			t.Fatal(err)
		}
		points = append(points, out.Point)
		awaitNextSecond(t) // ids sort by second
	}
	for back, point := range map[string]int{"latest": 2, "latest~0": 2, "latest~1": 1, "latest~2": 0} {
		out, err := runRestore(t, b, spec.Restore{Point: back, DryRun: true})
		if err != nil || out.Point != points[point] {
			t.Errorf("%s is %s, want %s (%v)", back, out.Point, points[point], err)
		}
	}
	if _, err := runRestore(t, b, spec.Restore{Point: "latest~3"}); errorType(err) != spec.ErrorSnapshotMissing || !strings.Contains(err.Error(), "has 3 complete restore points") {
		t.Errorf("latest~3: %v", err)
	}
	if _, err := runRestore(t, b, spec.Restore{Point: "latest~x"}); errorType(err) != spec.ErrorInvalidSpec {
		t.Errorf("latest~x: %v", err)
	}
	if _, err := runRestore(t, b, spec.Restore{Point: "latest~2", Include: []string{"sales.customers"}}); err != nil {
		t.Fatal(err)
	}
	if got := b.Sim.Content("sales", "customers"); got != was[0] {
		t.Errorf("restored:\n%s\nwant\n%s", got, was[0])
	}
}

// awaitNextSecond waits until the wall clock shows another second.
func awaitNextSecond(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	ctx, cancel := context.WithDeadline(t.Context(), now.Add(time.Second))
	defer cancel()
	<-ctx.Done()
}
