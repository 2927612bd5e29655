package starrockssim_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"starkeep/storage"
	"starkeep/test/starrockssim"
)

// step is one line of a recording.
type step struct {
	Step, SQL, User, FE, Text, Name, Action, BE, Type, DB, Table, Partitions, Prefix, Label, Note string
	OK                                                                                            bool
	Columns                                                                                       json.RawMessage
	Rows                                                                                          json.RawMessage
	Error                                                                                         *recordedError
	Until                                                                                         []string
	Changes                                                                                       []change
	Answer                                                                                        json.RawMessage
	Tablets                                                                                       json.RawMessage
	Objects                                                                                       json.RawMessage
	Keys                                                                                          []string
	Row                                                                                           json.RawMessage
	Seconds                                                                                       float64
	Value                                                                                         json.RawMessage // of the partition columns: a text or a list of texts
	N                                                                                             *int            // of a fault: how many times
	Msg                                                                                           json.RawMessage
	Tablet                                                                                        *int64
	Keep                                                                                          int // of a lost answer: the task stays reported
	AfterFiles                                                                                    int `json:"after_files"`
	Sums                                                                                          map[string]recordedSum
	T                                                                                             *float64
	RestoredEqualsSource                                                                          *bool           `json:"restored_equals_source"`
	SameContentAsSource                                                                           *bool           `json:"same_content_as_source"`
	EqualBytes                                                                                    map[string]bool `json:"equal_bytes"`
	line                                                                                          int
	file                                                                                          string
}

type recordedSum struct {
	Version string `json:"visible_version"`
	Tablets [][2]any
}

type recordedError struct {
	Code     uint16
	Message  string
	SQLState string
}

type change struct {
	AtMS int64 `json:"at_ms"`
	Rows [][]*string
}

type recordedColumn struct {
	Name, Type string
}

func readRecording(path string) ([]step, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var steps []step
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for n := 1; lines.Scan(); n++ {
		s := step{line: n, file: filepath.Base(path)}
		// Steps that are left out have fields of other types; they are skipped, the rest is read.
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil && !errors.As(err, new(*json.UnmarshalTypeError)) {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		steps = append(steps, s)
	}
	return steps, lines.Err()
}

// goldenTick is the simulator's tick, unless a scope has another; 3 s of a recording are one.
const goldenTick = 40 * time.Millisecond

// scaled is a time of a recording in the test.
func (p *player) scaled(d time.Duration) time.Duration { return d * p.tick / (3 * time.Second) }

// patience is how long the player waits for what a recording saw; tried is less, for recordings that need not agree.
const (
	patience = 20 * time.Second
	tried    = time.Second
	// enough is how long a recording that need not agree is played.
	enough = 8 * time.Second
)

// player plays one recording, or several after each other, on one cluster.
type player struct {
	c      *starrockssim.Cluster
	dir    string // where the stores of all locations are
	match  *matcher
	report *fileReport
	steps  []step
	at     int
	file   string
	lastDB string // that a step about a job named
	held   func() // releases the hold on all MAKE_SNAPSHOT tasks that file 25 began with
	silent bool   // nothing is counted; a difference ends it
	*sessions
	tick     time.Duration
	patience time.Duration
	end      time.Time                    // of the playing; zero: when it is over
	own      map[string]bool              // databases and repositories of the recording
	faults   map[string][]func()          // by backend and type: what ends them
	pins     map[string]pin               // by database
	content  map[string]map[string]string // of tables at their BACKUP: by label, table
	lastBkp  map[string]string            // database -> label of its last BACKUP
	delay    atomic.Int64                 // of each uploaded object, ns
	serial   int                          // makes loaded rows differ
	undo     map[string][]byte            // objects before they were damaged
	foreign  []string                     // objects that were put in
	old      []string                     // addresses by the recording's FE names

	mu      sync.Mutex
	watches map[*watch]bool
	ctx     context.Context
}

type pin struct {
	state   string
	release func()
}

// newPlayer starts a cluster whose repositories are below dir.
func newPlayer(name, dir string, frontends int, tick time.Duration) (*player, error) {
	p := &player{
		tick: tick, dir: dir, match: newMatcher(), report: &fileReport{scope: &scope{}}, own: map[string]bool{},
		faults: map[string][]func(){}, pins: map[string]pin{}, content: map[string]map[string]string{}, lastBkp: map[string]string{},
		watches: map[*watch]bool{}, ctx: context.Background(),
	}
	c, err := starrockssim.Start(starrockssim.Options{
		Name: name, Frontends: frontends, Tick: tick, OpenStore: p.openStore, Users: map[string]string{"root": ""},
	})
	if err != nil {
		return nil, err
	}
	p.c = c
	p.old = c.Addresses()
	p.sessions = newSessions(p.address)
	c.OnState(p.onState)
	return p, nil
}

func (p *player) close() {
	p.sessions.close()
	p.c.Close()
}

// openStore keeps all locations in directories below p.dir.
func (p *player) openStore(location string, properties map[string]string) (storage.Store, error) {
	if !strings.HasPrefix(location, "file://") {
		used, err := starrockssim.OpenStore(location, properties) // only whether it can be used at all: nothing is dialled
		if err != nil {
			return nil, err
		}
		used.Close()
	}
	s, err := p.store(location)
	if err != nil {
		return nil, err
	}
	return &limitedStore{&slowStore{s, p}, location, properties["aws.s3.access_key"], properties["aws.s3.secret_key"]}, nil
}

func (p *player) store(location string) (storage.Store, error) {
	_, path, _ := strings.Cut(location, "://")
	dir := filepath.Join(p.dir, filepath.FromSlash(path))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return storage.Open(p.ctx, storage.Config{Location: "file://" + dir})
}

// bucket is the store of everything below the recording's bucket.
func (p *player) bucket() storage.Store {
	s, err := p.store("s3://sr-backup")
	if err != nil {
		panic(setupError{err})
	}
	return s
}

// address finds the FE of a recording: in 26 10.99.0.11 led first, then 10.99.0.13.
func (p *player) address(fe string) string {
	host, _, _ := strings.Cut(fe, ":")
	leader := p.c.Address()
	switch host {
	case "10.99.0.11":
		return p.old[0]
	case "10.99.0.13":
		if leader == p.old[0] {
			return p.old[len(p.old)-1]
		}
		return leader
	case "10.99.0.12":
		for _, a := range p.old[1:] {
			if a != leader {
				return a
			}
		}
	}
	return leader
}

// must runs a statement of the set-up as root.
func (p *player) must(text string) *result {
	r, err := p.run("", "", text)
	if err != nil {
		panic(setupError{fmt.Errorf("%s: %w", text, err)})
	}
	return r
}

// setupError ends a recording whose set-up failed: nothing after it could be compared.
type setupError struct{ error }

// play plays the steps; differences go to the report.
func (p *player) play(steps []step) {
	p.steps = steps
	for p.at = 0; p.at < len(steps); p.at++ {
		s := &steps[p.at]
		if !p.end.IsZero() && time.Now().After(p.end) {
			p.count(s, errLeftOut{"not played: what does not agree takes too long"})
			continue
		}
		p.setPins()
		if before := scopeOf(s.file).before[s.line]; before != nil {
			before(p)
		}
		p.count(s, p.one(s))
	}
	for db := range p.pins {
		p.unpin(db)
	}
}

// errLeftOut: the step is not run, for a reason of the table.
type errLeftOut struct{ reason string }

func (e errLeftOut) Error() string { return e.reason }

func (p *player) one(s *step) error {
	if reason := leftOut[s.Step]; reason != "" {
		return errLeftOut{reason}
	}
	if reason := scopeOf(s.file).leftOut(s); reason != "" {
		return errLeftOut{reason}
	}
	switch s.Step {
	case "sql":
		return p.sql(s)
	case "watch":
		return p.watch(s)
	case "load":
		return p.load(s)
	case "be":
		return p.backend(s)
	case "fe":
		return p.frontend(s)
	case "wait":
		time.Sleep(p.scaled(time.Duration(s.Seconds * float64(time.Second))))
		return nil
	case "note":
		return p.note(s)
	case "objects", "keys":
		return p.objects(s)
	case "row_before_cancel", "row_before_kill":
		return p.rowBefore(s)
	case "content":
		return p.contents(s)
	case "check":
		return p.check(s)
	case "compare":
		return p.compare(s)
	case "sums":
		return p.sums(s)
	case "progress":
		return p.progress(s)
	}
	return errLeftOut{"a step of another kind: " + s.Step}
}
