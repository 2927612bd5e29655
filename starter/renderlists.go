package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"starkeep/workflows/spec"
)

func writePoints(w io.Writer, points []spec.PointRow) {
	if len(points) == 0 {
		return
	}
	columns := []column{{"POINT", false}, {"CREATED", false}, {"STATE", false}, {"DATABASES", true}, {"TABLES", true},
		{"PARTITIONS", true}, {"TABLETS", true}, {"BYTES", true}, {"PARENT", false}, {"VERIFIED", false}, {"DRILLED", false}, {"TAGS", false}}
	var rows [][]string
	for _, p := range points {
		if p.Problem != "" {
			rows = append(rows, []string{oneLine(p.ID), oneLine(p.CreatedAt), "unreadable: " + oneLine(p.Problem), "", "", "", "", "", "", "", ""})
			continue
		}
		rows = append(rows, []string{oneLine(p.ID), oneLine(p.CreatedAt), pointState(p) + pinnedText(p), count(p.Databases), count(p.Tables),
			count(p.Partitions), count(p.Tablets), size(p.Bytes), oneLine(p.Parent), verificationText(p.Verified), drillText(p.Drill), tagsText(p.Tags)})
	}
	writeTable(w, columns, rows)
}

func pointState(p spec.PointRow) string {
	switch {
	case p.Complete && p.Origin != "":
		return "complete, " + oneLine(p.Origin)
	case p.Complete:
		return "complete"
	}
	return fmt.Sprintf("partial, %s missing", count(p.Failed))
}

// writePoint shows one restore point, table by table.
func writePoint(w io.Writer, p spec.PointDetails) {
	row := p.PointRow
	state := pointState(row)
	if row.Problem != "" {
		state = "unreadable: " + row.Problem
	}
	writeVertical(w, [][2]string{
		{"Point", row.ID}, {"State", state}, {"Created", row.CreatedAt}, {"Cluster", p.Cluster}, {"Repository", p.Repository},
		{"Parent", row.Parent}, {"Tags", tagsText(row.Tags)}, {"Pinned", pinnedSince(row.Pinned)},
		{"Holds", fmt.Sprintf("%s, %s, %s, %s, %s", plural(int64(row.Databases), "database", "databases"), plural(int64(row.Tables), "table", "tables"),
			plural(row.Partitions, "partition", "partitions"), plural(row.Tablets, "tablet", "tablets"), size(row.Bytes))},
	})
	columns := []column{{"TABLE", false}, {"KEYS", false}, {"PARTITIONS", true}, {"TABLETS", true}, {"ROWS", true}, {"BYTES", true}}
	var rows [][]string
	for _, t := range p.Tables {
		rows = append(rows, []string{oneLine(t.Database + "." + t.Table), oneLine(t.Keys), count(t.Partitions), count(t.Tablets), count(t.Rows), size(t.Bytes)})
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
		writeTable(w, columns, rows)
	}
	if p.Truncated {
		fmt.Fprintln(w, "… and more tables; the manifest has all.")
	}
	writeFailed(w, p.Failed, row.Failed)
	writeNotCovered(w, p.NotCovered)
	writeNotKnown(w, p.NotKnown)
	writeVerifications(w, p.Verifications)
	writeDrills(w, p.Drills)
	writeReports(w, p.Reports)
}

// writeJobs shows our workflows and the FE's jobs.
func writeJobs(w io.Writer, listed jobs, now time.Time) {
	if len(listed.Runs) > 0 {
		var rows [][]string
		for _, r := range listed.Runs {
			rows = append(rows, []string{r.ID, r.Workflow, r.Status, r.Phase, r.Started, runTime(r, now)})
		}
		writeTable(w, []column{{"RUN", false}, {"WORKFLOW", false}, {"STATUS", false}, {"PHASE", false}, {"STARTED", false}, {"TIME", true}}, rows)
	}
	if len(listed.Jobs) == 0 {
		return
	}
	if len(listed.Runs) > 0 {
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, "Jobs that the FE knows (the last of each kind and database):")
	var rows [][]string
	for _, j := range listed.Jobs {
		ours := "no"
		if j.Ours {
			ours = "yes"
		}
		rows = append(rows, []string{oneLine(j.Database), oneLine(j.Statement), oneLine(j.State), strconv.FormatInt(j.JobID, 10), oneLine(j.Created),
			ours, oneLine(j.Label), oneLine(orDefault(j.Note, orDefault(j.Errors, j.Status)))})
	}
	writeTable(w, []column{{"DATABASE", false}, {"STATEMENT", false}, {"STATE", false}, {"JOB", true}, {"CREATED", false},
		{"OURS", false}, {"LABEL", false}, {"STATUS", false}}, rows)
}

// runTime is how long a run took, or has been running.
func runTime(r runRow, now time.Time) string {
	begun, err := time.Parse(time.RFC3339, r.Started)
	if err != nil {
		return ""
	}
	if ended, err := time.Parse(time.RFC3339, r.Closed); err == nil {
		now = ended
	}
	return span(now.Sub(begun))
}

func writeRepositories(w io.Writer, repositories []spec.RepositoryRow) {
	if len(repositories) == 0 {
		return
	}
	var rows [][]string
	for _, r := range repositories {
		rows = append(rows, []string{oneLine(r.Name), oneLine(r.Profile), oneLine(r.Location), access(r), oneLine(orDefault(r.Error, r.Note))})
	}
	writeTable(w, []column{{"REPOSITORY", false}, {"PROFILE", false}, {"LOCATION", false}, {"ACCESS", false}, {"NOTE", false}}, rows)
}

func access(r spec.RepositoryRow) string {
	if r.ReadOnly {
		return "read only"
	}
	return "read, write"
}

func writeRepository(w io.Writer, r spec.RepositoryRow) {
	writeVertical(w, [][2]string{{"Repository", r.Name}, {"Profile", r.Profile}, {"Location", r.Location}, {"Access", access(r)}, {"Error", r.Error}, {"Note", r.Note}})
}

func writeChecks(w io.Writer, checks []spec.CheckRow) {
	var rows [][]string
	for _, check := range checks {
		ok := "ok"
		if !check.OK {
			ok = "FAILED"
		}
		rows = append(rows, []string{oneLine(check.Profile), oneLine(check.Check), ok, oneLine(check.Message)})
	}
	writeTable(w, []column{{"PROFILE", false}, {"CHECK", false}, {"RESULT", false}, {"MESSAGE", false}}, rows)
}
