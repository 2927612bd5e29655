package storagetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/colinmarc/hdfs/v2"

	"starkeep/storage"
)

// HDFSSuperuser may do everything in the clusters of this package, whatever the permissions.
const HDFSSuperuser = "hdfs"

// smallBlocks are smaller than what providers store in one request. Much smaller ones would make writes fail now and then:
// the NameNode gives no third block before it has heard of the first.
const smallBlocks = 16 * mib

// HDFS is a running NameNode with its DataNodes. Permissions are on; any user name is believed.
type HDFS struct {
	Address string // host:port of the NameNode's RPC

	admin *hdfs.Client
	// The JVM's life hangs on a file in it: it ends with the last copy of this struct.
	process *javaProcess
}

// shared is the one cluster of a test binary.
var shared struct {
	once sync.Once
	hdfs HDFS
	err  error
}

// StartHDFS gives the cluster that all tests of this test binary share: one JVM with a NameNode and a DataNode. It is
// started by the first call and ends with the process, however that ends. Blocks have 16 MiB. Tests keep apart by directories
// of their own: see Dir. Without bin/hadoop (or the directory STARKEEP_HADOOP) the test is skipped, or fails when CI=true.
func StartHDFS(t testing.TB) HDFS {
	t.Helper()
	java := findJava(t)
	shared.once.Do(func() {
		p, address, err := startMiniCluster(java)
		if err == nil {
			shared.hdfs, err = newHDFS(p, address)
		}
		shared.err = err
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.hdfs
}

// Dir makes an empty directory that belongs to user, and tells its path. It is removed after the test.
func (h HDFS) Dir(t testing.TB, user string) string {
	t.Helper()
	dir := fmt.Sprintf("/tests/%s-%d", strings.Map(pathRune, t.Name()), time.Now().UnixNano())
	h.Mkdir(t, dir, 0o755)
	h.Chown(t, dir, user)
	t.Cleanup(func() { _ = h.admin.RemoveAll(dir) })
	return dir
}

func pathRune(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return '-'
}

// Config is a location as a user sees it; dir begins with '/'.
func (h HDFS) Config(dir, user string) storage.Config {
	return storage.Config{Location: "hdfs://" + h.Address + dir, HDFS: storage.HDFS{User: user}}
}

// Client is a client of the superuser, for what a Store does not do. It is not closed by the caller.
func (h HDFS) Client() *hdfs.Client { return h.admin }

// Mkdir makes a directory, and those above it, as superuser.
func (h HDFS) Mkdir(t testing.TB, dir string, mode os.FileMode) {
	t.Helper()
	if err := h.admin.MkdirAll(dir, mode); err != nil {
		t.Fatal(err)
	}
}

// Chown gives a file or directory to a user.
func (h HDFS) Chown(t testing.TB, name, user string) {
	t.Helper()
	if err := h.admin.Chown(name, user, ""); err != nil {
		t.Fatal(err)
	}
}

// Chmod sets the permissions of a file or directory.
func (h HDFS) Chmod(t testing.TB, name string, mode os.FileMode) {
	t.Helper()
	if err := h.admin.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

// SafeMode makes the NameNode refuse all changes, or ends that. It ends with the test.
func (h HDFS) SafeMode(t testing.TB, on bool) {
	t.Helper()
	const leave, enter = 1, 2
	call := hadoopCall{address: h.Address, protocol: clientProtocol, method: "setSafeMode"}
	if !on {
		call.mustSend(t, protoUint(1, leave))
		return
	}
	t.Cleanup(func() { _, _ = call.send(protoUint(1, leave)) })
	call.mustSend(t, protoUint(1, enter))
}

// SetQuota limits how many files and directories, the directory itself among them, and how many bytes, counted with all
// replicas, a directory may hold; 0 is no limit.
func (h HDFS) SetQuota(t testing.TB, dir string, names, bytes uint64) {
	t.Helper()
	const reset = 1<<64 - 1
	for _, quota := range []*uint64{&names, &bytes} {
		if *quota == 0 {
			*quota = reset
		}
	}
	call := hadoopCall{address: h.Address, protocol: clientProtocol, method: "setQuota"}
	call.mustSend(t, protoText(1, dir), protoUint(2, names), protoUint(3, bytes))
}

func newHDFS(p *javaProcess, address string) (HDFS, error) {
	admin, err := hdfs.NewClient(hdfs.ClientOptions{Addresses: []string{address}, User: HDFSSuperuser})
	return HDFS{Address: address, admin: admin, process: p}, err
}

// startMiniCluster runs Hadoop's own test cluster, waits until its DataNode is registered, and tells the NameNode's address.
func startMiniCluster(java []string, settings ...string) (*javaProcess, string, error) {
	args := []string{"org.apache.hadoop.test.MiniDFSClusterManager", "-format", "-datanodes", "1", "-writeDetails", "{dir}/details"}
	settings = append([]string{"hdfs.minidfs.basedir={dir}/dfs", "dfs.replication=1", "dfs.blocksize=" + strconv.Itoa(smallBlocks),
		"dfs.namenode.fs-limits.min-block-size=4096"}, settings...)
	for _, s := range settings {
		args = append(args, "-D", s)
	}
	p, err := startJava(java, args...)
	if err != nil {
		return nil, "", err
	}
	var details struct {
		Port int `json:"namenode_port"`
	}
	err = p.await("a DataNode", func() bool {
		text, err := os.ReadFile(filepath.Join(p.dir, "details"))
		return err == nil && json.Unmarshal(text, &details) == nil && details.Port != 0
	})
	if err != nil {
		p.end()
	}
	return p, net.JoinHostPort("127.0.0.1", strconv.Itoa(details.Port)), err
}

// javaProcess is a JVM that does not outlive this process: a shell waits for the end of a pipe from here, and then kills
// it and removes its directory.
type javaProcess struct {
	dir   string // {dir} in its arguments; holds its log
	shell *exec.Cmd
	pipe  *os.File
}

const javaStartTimeout = 5 * time.Minute

const watchJava = `dir=$1; shift
{ "$@" >"$dir/log" 2>&1 & echo $! >"$dir/pid.new"; mv "$dir/pid.new" "$dir/pid"; wait $!; echo $? >"$dir/ended"; } &
read -r line
kill -9 "$(cat "$dir/pid")" 2>/dev/null
wait
rm -rf "$dir"
`

func startJava(java []string, args ...string) (*javaProcess, error) {
	dir, err := os.MkdirTemp("", "starkeep-hdfs-")
	if err != nil {
		return nil, err
	}
	command := append([]string{"-c", watchJava, "sh", dir}, java...)
	for _, arg := range args {
		command = append(command, strings.ReplaceAll(arg, "{dir}", dir))
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	shell := exec.Command("sh", command...)
	shell.Stdin = reader
	shell.Env = append(os.Environ(), "HADOOP_USER_NAME="+HDFSSuperuser)
	shell.Dir = dir
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // who kills our group leaves the shell to clear up
	if err := shell.Start(); err != nil {
		writer.Close()
		return nil, err
	}
	p := &javaProcess{dir: dir, shell: shell, pipe: writer}
	return p, p.await("its pid", func() bool { return p.pid() != 0 })
}

func (p *javaProcess) pid() int {
	text, _ := os.ReadFile(filepath.Join(p.dir, "pid"))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// end kills the JVM and waits for it.
func (p *javaProcess) end() {
	_ = p.pipe.Close()
	_ = p.shell.Wait()
}

// await polls until ready, or until the JVM ends or takes too long.
func (p *javaProcess) await(what string, ready func() bool) error {
	deadline := time.Now().Add(javaStartTimeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		_, err := os.Stat(filepath.Join(p.dir, "ended"))
		if err == nil || time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(p.dir, "log"))
			return fmt.Errorf("HDFS did not start, waiting for %s: %s", what, log)
		}
		<-tick.C
	}
	return nil
}

// findJava is how to run a class of Hadoop's jars, which `make tools` copies into bin/hadoop.
func findJava(t testing.TB) []string {
	t.Helper()
	dir := os.Getenv("STARKEEP_HADOOP")
	if dir == "" {
		dir = filepath.Dir(findTool(t, "hadoop/hadoop-client-minicluster-3.4.1.jar"))
	}
	java, err := exec.LookPath("java")
	if errors.Is(err, exec.ErrNotFound) {
		const missing = "java is missing: install a JRE (Debian: default-jre-headless)"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	// A short start matters more than speed: the compiler's first tier and the serial collector.
	return []string{java, "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", filepath.Join(dir, "*")}
}
