package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell is one bash -eu that runs line after line, as in a reader's terminal. All that it has started is killed with the test.
type shell struct {
	dir   string // it begins in
	stdin io.WriteCloser
	done  *bufio.Reader // a line for each command that succeeded
	ended chan error
	log   *os.File // of what commands print
	read  int64    // of it, so far
}

// shellLimit is for one line.
const shellLimit = 5 * time.Minute

func startShell(t *testing.T, dir string, env []string) *shell {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-eu")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, log, log
	cmd.ExtraFiles = []*os.File{writer} // 3
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	s := &shell{dir: dir, stdin: stdin, done: bufio.NewReader(reader), ended: make(chan error, 1), log: log}
	go func() { s.ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		reader.Close()
		log.Close()
	})
	return s
}

// run gives what a line printed. Its exit code must be 0.
func (s *shell) run(line string) (string, error) {
	// Commands must not read the lines that follow, nor hold the pipe that tells of their end.
	if _, err := fmt.Fprintf(s.stdin, "{ %s\n} </dev/null 3>&-\necho >&3\n", line); err != nil {
		return "", err
	}
	told := make(chan error, 1)
	go func() {
		_, err := s.done.ReadString('\n')
		told <- err
	}()
	var err error
	select {
	case err = <-told:
	case err = <-s.ended:
	case <-time.After(shellLimit):
		err = fmt.Errorf("no end within %s", shellLimit)
	}
	if errors.Is(err, io.EOF) { // the shell has ended, with the line's exit code
		err = <-s.ended
	}
	return s.output(), err
}

// output is what was printed since it was asked last.
func (s *shell) output() string {
	var text strings.Builder
	n, _ := io.Copy(&text, io.NewSectionReader(s.log, s.read, 1<<30))
	s.read += n
	return text.String()
}
