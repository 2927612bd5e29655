package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/workflows/spec"
)

// view is one look at a run.
type view struct {
	id        string
	started   time.Time
	phase     spec.Phase
	paused    bool
	cancelled bool   // a cancel was requested
	note      string // what a person should know, e.g. that no worker answers
	databases []databaseView
}

// databaseView is one database of a run: what its workflow says, and what its FE job says right now.
type databaseView struct {
	spec.DatabaseProgress
	job spec.JobProgress
}

// over tells whether a database is through, well or badly.
func (d databaseView) over() bool { return d.Phase == spec.PhaseDone || d.Phase == spec.PhaseFailed }

// idle tells whether a database has not begun: its time does not count for its rate.
func (d databaseView) idle() bool {
	return d.Phase == "" || d.Phase == spec.PhasePlan || d.Phase == spec.PhaseWaiting || d.Paused
}

// fraction is how much of a database is done, from 0 to 1: by bytes, or by tablets or units where bytes are unknown.
func (d databaseView) fraction() float64 {
	for _, part := range [][2]int64{{d.BytesDone, d.Bytes}, {d.TabletsDone, d.Tablets}, {int64(d.UnitsDone), int64(d.Units)}} {
		if part[1] > 0 {
			return min(1, float64(part[0])/float64(part[1]))
		}
	}
	return 0
}

// rateWindow is how far back a rate looks. Progress comes a unit at a time, and a unit takes minutes.
const rateWindow = 20 * time.Minute

// meter measures how fast a database goes on.
type meter struct{ marks []mark }

type mark struct {
	at    time.Time
	bytes int64
}

// add notes where a database is. Time in which it cannot go on starts the measurement over.
func (m *meter) add(at time.Time, d databaseView) {
	if d.idle() || len(m.marks) == 0 {
		m.marks = []mark{{at, d.BytesDone}}
		return
	}
	if last := m.marks[len(m.marks)-1]; d.BytesDone != last.bytes {
		m.marks = append(m.marks, mark{at, d.BytesDone})
	}
	for len(m.marks) > 2 && at.Sub(m.marks[1].at) > rateWindow {
		m.marks = m.marks[1:]
	}
}

// rate is in bytes per second; 0 when it is not known.
func (m *meter) rate(now time.Time) float64 {
	if len(m.marks) < 2 {
		return 0
	}
	first, last := m.marks[0], m.marks[len(m.marks)-1]
	seconds := now.Sub(first.at).Seconds()
	if seconds <= 0 || last.bytes <= first.bytes {
		return 0
	}
	return float64(last.bytes-first.bytes) / seconds
}

// progress remembers a run's views, to tell rates from them. It draws text only: screen.go puts it on a terminal.
type progress struct {
	meters map[string]*meter
	last   view
}

func (p *progress) add(now time.Time, v view) {
	if p.meters == nil {
		p.meters = map[string]*meter{}
	}
	for _, d := range v.databases {
		if p.meters[d.Database] == nil {
			p.meters[d.Database] = &meter{}
		}
		p.meters[d.Database].add(now, d)
	}
	p.last = v
}

// head is the line about the run as a whole.
func (p *progress) head(now time.Time) string {
	v := p.last
	parts := []string{v.id}
	if v.phase != "" {
		parts = append(parts, string(v.phase))
	}
	if n := len(v.databases); n > 0 {
		over := 0
		for _, d := range v.databases {
			if d.over() {
				over++
			}
		}
		parts = append(parts, fmt.Sprintf("%d of %s done", over, plural(int64(n), "database", "databases")))
	}
	if !v.started.IsZero() {
		parts = append(parts, span(now.Sub(v.started)))
	}
	if v.paused {
		parts = append(parts, "PAUSED")
	}
	if v.cancelled {
		parts = append(parts, "cancel requested")
	}
	if v.note != "" {
		parts = append(parts, v.note)
	}
	return oneLine(strings.Join(parts, " · "))
}

// Columns of a database's line, in the order in which they are shown.
const (
	cellName = iota
	cellPhase
	cellBar
	cellUnits
	cellState
	cellTablets
	cellBytes
	cellRate
	cellETA
	cells
)

var lineColumns = [cells]column{cellUnits: {right: true}, cellTablets: {right: true}, cellBytes: {right: true}, cellRate: {right: true}, cellETA: {right: true}}

// giveUp lists the columns in the order in which a narrow terminal loses them.
var giveUp = []int{cellTablets, cellRate, cellState, cellBar, cellETA, cellBytes, cellUnits}

const barWidth = 16

// lines draws the run for a terminal: a head line and a line for each database, at most rows of them, cut to columns.
func (p *progress) lines(now time.Time, columns, rows int) []string {
	drawn := []string{clip(p.head(now), columns)}
	shown, rest := pick(p.last.databases, max(1, rows-1))
	table := make([][]string, len(shown))
	for i, d := range shown {
		table[i] = p.row(now, d)
	}
	widths := fit(table, columns-2)
	for _, row := range table {
		drawn = append(drawn, clip("  "+alignRow(lineColumns[:], widths, row), columns))
	}
	if rest != "" {
		drawn = append(drawn, clip("  "+rest, columns))
	}
	return drawn
}

// row is a database's cells.
func (p *progress) row(now time.Time, d databaseView) []string {
	row := make([]string, cells)
	row[cellName] = clip(oneLine(d.Database), 24)
	row[cellPhase] = string(d.Phase)
	if d.Paused && !d.over() {
		row[cellPhase] = "paused"
	}
	if d.Units > 0 {
		row[cellBar] = bar(d.fraction(), barWidth)
		row[cellUnits] = fmt.Sprintf("%d/%d units", d.UnitsDone, d.Units)
		if d.UnitsFailed > 0 {
			row[cellUnits] = fmt.Sprintf("%d/%d units, %d failed", d.UnitsDone, d.Units, d.UnitsFailed)
		}
	}
	if !d.over() {
		row[cellState] = stateText(d.job)
	}
	if d.Tablets > 0 {
		row[cellTablets] = fmt.Sprintf("%s/%s tablets", count(d.TabletsDone), count(d.Tablets))
	}
	if d.Bytes > 0 {
		row[cellBytes] = ratioText(d.BytesDone, d.Bytes)
	}
	row[cellRate], row[cellETA] = p.speed(now, d)
	return row
}

// speed is a database's rate and the time it will take, where they are known.
func (p *progress) speed(now time.Time, d databaseView) (rate, eta string) {
	meter := p.meters[d.Database]
	if meter == nil || d.over() || d.idle() {
		return "", ""
	}
	perSecond := meter.rate(now)
	if perSecond <= 0 {
		return "", ""
	}
	rate = size(int64(perSecond)) + "/s"
	if left := d.Bytes - d.BytesDone; left > 0 {
		eta = "ETA " + span(time.Duration(float64(left)/perSecond*float64(time.Second)))
	}
	return rate, eta
}

// stateText is the FE's word for where its job is: "UPLOADING 13/40".
func stateText(job spec.JobProgress) string {
	if job.State == "" {
		return ""
	}
	if job.Total == 0 {
		return oneLine(job.State)
	}
	return fmt.Sprintf("%s %d/%d", oneLine(job.State), job.Done, job.Total)
}

// ratioText writes two sizes with one unit where they share it: "1.2/4.0 GiB".
func ratioText(done, all int64) string {
	a, b := size(done), size(all)
	if unit := b[strings.LastIndexByte(b, ' '):]; strings.HasSuffix(a, unit) {
		a = strings.TrimSuffix(a, unit)
	}
	return a + "/" + b
}

func bar(fraction float64, width int) string {
	full := min(width, int(fraction*float64(width)+0.5))
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// fit measures columns and gives up the less important ones until a line fits.
func fit(table [][]string, width int) []int {
	widths := make([]int, cells)
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, lost := range giveUp {
		total := 0
		for _, w := range widths {
			if w > 0 {
				total += w + 2
			}
		}
		if total-2 <= width {
			break
		}
		widths[lost] = 0
	}
	return widths
}

// pick chooses which databases a small terminal shows: those at work first, and sums up the others.
func pick(all []databaseView, rows int) (shown []databaseView, rest string) {
	if len(all) <= rows {
		return all, ""
	}
	ordered := slices.Clone(all)
	slices.SortStableFunc(ordered, func(a, b databaseView) int { return cmp.Compare(rank(a), rank(b)) })
	shown = ordered[:rows-1]
	var over, waiting int
	for _, d := range ordered[rows-1:] {
		switch {
		case d.over():
			over++
		case d.idle():
			waiting++
		}
	}
	hidden := len(all) - len(shown)
	return shown, fmt.Sprintf("… and %d more: %d at work, %d waiting, %d over", hidden, hidden-over-waiting, waiting, over)
}

func rank(d databaseView) int {
	switch {
	case d.Phase == spec.PhaseFailed:
		return 1
	case d.over():
		return 3
	case d.idle():
		return 2
	}
	return 0
}

// plainNames bounds how many databases a plain line names.
const plainNames = 5

// plainLine tells the same in one line, for logs.
func (p *progress) plainLine(now time.Time) string {
	text := now.UTC().Format(time.RFC3339) + " " + p.head(now)
	named := 0
	for _, d := range p.last.databases {
		if d.over() || named == plainNames {
			continue
		}
		named++
		words := []string{}
		for i, cell := range p.row(now, d) {
			if cell != "" && i != cellBar {
				words = append(words, cell)
			}
		}
		text += "; " + strings.Join(words, ", ")
	}
	return text
}
