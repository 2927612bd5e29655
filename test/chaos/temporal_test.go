package chaos

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"starkeep/test/testbed"
)

// temporalServer is a Temporal server on a database file, which can be killed and started again.
type temporalServer struct {
	t       *testing.T
	binary  string
	dir     string
	address string
	command *exec.Cmd
	log     *buffer
}

func newTemporal(t *testing.T) *temporalServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	s := &temporalServer{t: t, binary: testbed.Binary(t, "STARKEEP_TEMPORAL", "temporal"), dir: t.TempDir(), address: address, log: &buffer{}}
	t.Cleanup(s.kill)
	return s
}

func (s *temporalServer) start() {
	s.t.Helper()
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.command = exec.Command(s.binary, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", port, "--log-level", "error",
		"--db-filename", filepath.Join(s.dir, "temporal.db"), "--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=FULL",
		"--namespace", "lane0",
		"--dynamic-config-value", "history.transferProcessorMaxPollRPS=1000", "--dynamic-config-value", "system.enableActivityEagerExecution=true",
		"--dynamic-config-value", "matching.numTaskqueueReadPartitions=1", "--dynamic-config-value", "matching.numTaskqueueWritePartitions=1")
	s.command.Env = append(os.Environ(), "HOME="+s.dir)
	s.command.Stdout, s.command.Stderr = s.log, s.log
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.command.Start(); err != nil {
		s.t.Fatalf("start the Temporal server: %v", err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	err = poll(ctx, 50*time.Millisecond, func() (bool, error) {
		c, err := client.Dial(client.Options{HostPort: s.address, Namespace: "lane0", Logger: quiet})
		if err != nil {
			return false, nil
		}
		c.Close()
		return true, nil
	})
	if err != nil {
		s.t.Fatalf("the Temporal server does not answer: %v; it wrote\n%s", err, s.log.tail())
	}
}

// kill is kill -9.
func (s *temporalServer) kill() {
	if s.command == nil {
		return
	}
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
	s.command = nil
}

// TestTemporalServerKilled kills the Temporal server while StarRocks works, lets StarRocks go on without it, and starts
// it again on the same database file.
func TestTemporalServerKilled(t *testing.T) {
	t.Parallel()
	server := newTemporal(t)
	server.start()
	s := openSite(t, testbed.Options{Temporal: server.address}, 1)
	for _, test := range []struct {
		scenario int
		points   []point
	}{
		{0, []point{{When: whenAccepted}, {When: whenState, State: "UPLOADING"}}},
		{2, []point{{When: whenAccepted}, {When: whenState, State: "DOWNLOADING"}, {When: whenState, State: "COMMITTING"}, {When: whenSwapped}}},
	} {
		sc := scenarios[test.scenario]
		b := s.undisturbed(t, sc)
		for _, p := range test.points {
			t.Run(fmt.Sprintf("%s %s %s", sc.name, p.When, p.State), func(t *testing.T) { s.serverKilled(t, server, b, p) })
		}
	}
}

func (s *site) undisturbed(t *testing.T, sc scenario) (b *baseline) {
	t.Run(sc.name+" undisturbed", func(t *testing.T) { b = s.baseline(t, sc) })
	if b == nil {
		t.FailNow()
	}
	return b
}

func (s *site) serverKilled(t *testing.T, server *temporalServer, b *baseline, p point) {
	c := s.trial(t, b.scenario)
	began := time.Now()
	reached := make(chan struct{})
	release := func() {}
	if p.State != "" {
		release = s.bed.Sim.HoldStates(c.database, p.State)
		defer release()
		s.bed.Sim.OnState(func(db, _, state string) {
			if db == c.database && state == p.State {
				closeOnce(reached)
			}
		})
	} else {
		c.when(p, func() { closeOnce(reached) })
	}
	w := c.workers.start(point{})
	ended := c.begin(b.scenario)
	select {
	case <-reached:
	case o := <-ended:
		t.Fatalf("the run ended before the server could be killed: %+v", o)
	}
	server.kill()
	release()
	c.idle()
	server.start()
	c.compare(b, <-ended)
	c.stop(w)
	t.Logf("%.1f s", time.Since(began).Seconds())
}

// closeOnce is for observers, which are called one at a time.
func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// idle waits until StarRocks has ended the database's job, with nobody to tell.
func (c *trial) idle() {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	err := poll(ctx, 10*time.Millisecond, func() (bool, error) {
		for _, show := range []string{"SHOW BACKUP FROM ", "SHOW RESTORE FROM "} {
			rows, err := c.lane.bed.Sim.Query(show + c.database)
			if err != nil {
				return false, err
			}
			if len(rows) > 0 && !endedRow(rows[0]) {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		c.Fatalf("wait for the end of the job of database %s: %v", c.database, err)
	}
}

// endedRow tells a row of SHOW BACKUP or SHOW RESTORE that is at its end, wherever its state stands.
func endedRow(row []string) bool {
	for _, cell := range row {
		if cell == "FINISHED" || cell == "CANCELLED" {
			return true
		}
	}
	return false
}
