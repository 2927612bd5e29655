package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// rights collects the rows of a check. What is learned later about a right takes the place of what was said before, but
// for something that was found missing.
type rights struct{ rows []spec.RightRow }

func (r *rights) set(rows ...spec.RightRow) {
	for _, row := range rows {
		at := slices.IndexFunc(r.rows, func(x spec.RightRow) bool {
			return x.Side == row.Side && x.Backend == row.Backend && x.Right == row.Right
		})
		switch {
		case at < 0:
			r.rows = append(r.rows, row)
		case !isMissing(r.rows[at]):
			r.rows[at] = row
		}
	}
}

// untried lists what only a scratch table shows.
func (r *rights) untried(backends []int64, why string) {
	if why == "" {
		why = "not tried: an earlier step failed"
	}
	for _, right := range []string{spec.RightRepository, spec.RightList, spec.RightScratch, spec.RightWrite, spec.RightDelete, spec.RightRead, spec.RightRoundTrip} {
		r.set(spec.RightRow{Side: spec.SideFE, Right: right, NotTried: true, Message: why})
	}
	for _, right := range []string{spec.RightWrite, spec.RightRead} {
		for _, id := range backends {
			r.set(spec.RightRow{Side: spec.SideBE, Backend: id, Right: right, NotTried: true, Message: why})
		}
	}
}

func isMissing(row spec.RightRow) bool { return !row.OK && !row.NotTried }

// missing tells whether a side lacks something.
func (r *rights) missing(side string) bool {
	return slices.ContainsFunc(r.rows, func(row spec.RightRow) bool { return row.Side == side && !row.OK })
}

// lacking lists what is missing, in words.
func (r *rights) lacking() (names []string, kind string) {
	for _, row := range r.rows {
		if !isMissing(row) {
			continue
		}
		name := row.Side + " " + row.Right
		if row.Backend != 0 {
			name = fmt.Sprintf("%s %d %s", row.Side, row.Backend, row.Right)
		}
		names = append(names, name)
		if kind == "" || row.Type == spec.ErrorAuthDenied {
			kind = row.Type
		}
	}
	return names, kind
}

// render is the table in the web UI.
func (r *rights) render() string {
	if len(r.rows) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n| side | right | |\n|---|---|---|\n")
	for _, row := range r.rows[:min(len(r.rows), 50)] {
		side, result := row.Side, "**missing**"
		if row.Backend != 0 {
			side = fmt.Sprintf("%s %d", row.Side, row.Backend)
		}
		if row.OK {
			result = "ok"
		} else if row.NotTried {
			result = "not tried"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", side, row.Right, result)
	}
	return b.String()
}

// result says how the check ends.
func (c *check) result(ctx workflow.Context, err error) (spec.CheckRepositoryResult, error) {
	out := spec.CheckRepositoryResult{
		Cluster: c.in.Cluster, Repository: c.in.Repository, Location: c.probed.Place.Location, Scratch: c.job != nil, Rights: c.rights.rows, Warnings: c.warnings,
	}
	if c.job != nil {
		out.Warnings = append(out.Warnings, c.job.Result.Warnings...)
	}
	if c.late {
		out.Warnings = append(out.Warnings, fmt.Sprintf("given up after %s: StarRocks had not finished", checkTime))
	}
	names, kind := c.rights.lacking()
	out.OK = err == nil && len(names) == 0 && !c.late && ctx.Err() == nil
	c.phase(ctx, map[bool]spec.Phase{true: spec.PhaseDone, false: spec.PhaseFailed}[out.OK])
	switch {
	case out.OK:
		return out, nil
	case ctx.Err() != nil:
		return out, temporal.NewCanceledError(out)
	case err != nil:
		return out, err
	case len(names) == 0:
		return out, activities.Error(spec.ErrorJobFailed, out, "repository %s on cluster %s: not finished within %s", c.in.Repository, c.in.Cluster, checkTime)
	}
	text := strings.Join(names[:min(len(names), 10)], ", ")
	if more := len(names) - 10; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return out, activities.Error(kind, out, "repository %s on cluster %s lacks: %s", c.in.Repository, c.in.Cluster, text)
}
