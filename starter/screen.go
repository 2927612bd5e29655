package main

import (
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// How often a run is looked at. Each look is a query or two for every database at work.
const (
	liveEvery  = 2 * time.Second
	plainFirst = 3 * time.Second // early, so that a log shows that something goes on
	plainEvery = time.Minute
)

// screen shows a run's progress on stderr: lines that are redrawn on a terminal, one line a minute elsewhere.
type screen struct {
	c        *cli
	mu       sync.Mutex
	progress progress
	live     *mpb.Progress // nil elsewhere
	bar      *mpb.Bar
}

func (c *cli) newScreen(first view) *screen {
	s := &screen{c: c}
	s.progress.add(c.now(), first)
	if !c.live {
		return s
	}
	s.live = mpb.New(mpb.WithOutput(c.err), mpb.WithRefreshRate(250*time.Millisecond))
	s.bar = s.live.MustAdd(0, mpb.BarFillerFunc(func(w io.Writer, _ decor.Statistics) error {
		_, err := io.WriteString(w, s.draw()[0])
		return err
	}), mpb.BarFillerTrim(), mpb.BarExtender(mpb.BarFillerFunc(func(w io.Writer, _ decor.Statistics) error {
		rest := s.draw()[1:]
		if len(rest) == 0 {
			return nil
		}
		_, err := io.WriteString(w, strings.Join(rest, "\n")+"\n")
		return err
	}), false))
	return s
}

// draw is what the terminal shows now. The head is cut short by one column: a full line would wrap.
func (s *screen) draw() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	columns, rows := s.c.width()
	return s.progress.lines(s.c.now(), columns-1, max(2, rows-2))
}

// show takes a new look at the run.
func (s *screen) show(v view) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress.add(s.c.now(), v)
	if s.live == nil {
		s.c.say("%s", s.progress.plainLine(s.c.now()))
	}
}

// wait is how long until the next look.
func (s *screen) wait(looks int) time.Duration {
	switch {
	case s.live != nil:
		return liveEvery
	case looks == 0:
		return plainFirst
	}
	return plainEvery
}

// close takes the live lines away: what follows is the result, or how to come back.
func (s *screen) close() {
	if s.live == nil {
		return
	}
	s.bar.Abort(true)
	s.live.Wait()
	s.live = nil
}
