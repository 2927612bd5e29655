package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"starkeep/workflows/spec"
)

var began = time.Date(2026, 11, 22, 15, 4, 5, 0, time.UTC)

const gib = int64(1) << 30

// watched is a backup of three databases, 90 s after it began: one at work, one waiting, one through.
func watched() *progress {
	look := func(done int64) view {
		return view{
			id: "backup/prod/nightly", started: began, phase: spec.PhaseUpload,
			databases: []databaseView{
				{DatabaseProgress: spec.DatabaseProgress{Database: "sales", Phase: spec.PhaseUpload, Units: 8, UnitsDone: int(done), Tablets: 3000,
					TabletsDone: done * 375, Bytes: 8 * gib, BytesDone: done * gib},
					job: spec.JobProgress{State: "UPLOADING", Done: 13, Total: 40}},
				{DatabaseProgress: spec.DatabaseProgress{Database: "web", Phase: spec.PhaseWaiting, Units: 1, Tablets: 12, Bytes: 1 << 20}},
				{DatabaseProgress: spec.DatabaseProgress{Database: "archive", Phase: spec.PhaseDone, Units: 1, UnitsDone: 1, Tablets: 2, TabletsDone: 2, Bytes: 512, BytesDone: 512}},
			},
		}
	}
	var p progress
	p.add(began.Add(30*time.Second), look(0))
	p.add(began.Add(60*time.Second), look(2))
	p.add(began.Add(90*time.Second), look(3))
	return &p
}

func TestLiveLines(t *testing.T) {
	now := began.Add(90 * time.Second)
	var drawn strings.Builder
	for _, columns := range []int{140, 100, 80, 60, 40} {
		fmt.Fprintf(&drawn, "%d columns\n%s\n\n", columns, strings.Join(watched().lines(now, columns, 10), "\n"))
	}
	p := watched()
	p.last.paused, p.last.cancelled, p.last.note = true, true, "no worker answers on task queue starkeep: it goes on when one does"
	fmt.Fprintf(&drawn, "two rows\n%s\n", strings.Join(p.lines(now, 140, 3), "\n"))
	golden(t, "live", drawn.String())
}

func TestLinesFitTheTerminal(t *testing.T) {
	p := watched()
	p.last.databases[1].Database = "数据库-with-a-very-long-name-indeed"
	for columns := 10; columns < 160; columns++ {
		for rows := 2; rows < 6; rows++ {
			lines := p.lines(began.Add(time.Hour), columns, rows)
			if len(lines) > rows {
				t.Fatalf("%d lines on %d rows", len(lines), rows)
			}
			for _, line := range lines {
				if runewidth.StringWidth(line) > columns {
					t.Fatalf("%q is wider than %d", line, columns)
				}
			}
		}
	}
}

func TestPlainLine(t *testing.T) {
	golden(t, "plain", watched().plainLine(began.Add(90*time.Second))+"\n")
}

func TestRateAndETA(t *testing.T) {
	at := func(seconds int) time.Time { return began.Add(time.Duration(seconds) * time.Second) }
	working := func(bytes int64) databaseView {
		return databaseView{DatabaseProgress: spec.DatabaseProgress{Database: "d", Phase: spec.PhaseUpload, Bytes: 1000 << 10, BytesDone: bytes << 10}}
	}
	waiting := working(0)
	waiting.Phase = spec.PhaseWaiting
	type look struct {
		second int
		view   databaseView
	}
	for _, test := range []struct {
		name      string
		looks     []look
		now       int
		rate, eta string
	}{
		{"unknown at first", []look{{0, working(0)}}, 10, "", ""},
		{"unknown while nothing is done", []look{{0, working(0)}, {60, working(0)}}, 60, "", ""},
		{"from the first unit on", []look{{0, working(0)}, {10, working(100)}}, 10, "10.0 KiB/s", "ETA 1m30s"},
		{"falls while a unit takes long", []look{{0, working(0)}, {10, working(100)}}, 20, "5.0 KiB/s", "ETA 3m00s"},
		{"waiting does not count", []look{{0, waiting}, {100, waiting}, {110, working(0)}, {120, working(100)}}, 120, "5.0 KiB/s", "ETA 3m00s"},
		{"what was done before we looked does not count", []look{{0, working(500)}, {10, working(600)}}, 10, "10.0 KiB/s", "ETA 40s"},
		{"old times are forgotten", []look{{0, working(0)}, {10, working(100)}, {2000, working(101)}, {4000, working(201)}}, 4000, "51 B/s", "ETA 4h26m"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p progress
			for _, look := range test.looks {
				p.add(at(look.second), view{databases: []databaseView{look.view}})
			}
			rate, eta := p.speed(at(test.now), p.last.databases[0])
			if rate != test.rate || eta != test.eta {
				t.Errorf("%s, %s; want %s, %s", rate, eta, test.rate, test.eta)
			}
		})
	}
}

func TestNumbersAsPeopleReadThem(t *testing.T) {
	for want, got := range map[string]string{
		"0": count(0), "999": count(999), "1,000": count(1000), "12,345,678": count(12345678), "-1,234": count(-1234),
		"0 B": size(0), "1023 B": size(1023), "1.0 KiB": size(1024), "1.0 MiB": size(1 << 20), "1.0 GiB": size(1<<30 - 1),
		"0s": span(-time.Second), "59s": span(59 * time.Second), "1m00s": span(59600 * time.Millisecond), "2h05m": span(125 * time.Minute), "3d04h": span(76 * time.Hour),
		"3.0/8.0 GiB": ratioText(3*gib, 8*gib), "512.0 MiB/8.0 GiB": ratioText(gib/2, 8*gib), "0/512 B": ratioText(0, 512),
		"1 table": plural(1, "table", "tables"), "1,200 tables": plural(1200, "table", "tables"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
