package storagetest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/colinmarc/hdfs/v2"
	"google.golang.org/protobuf/encoding/protowire"

	"starkeep/storage"
)

// HDFSCluster is NameNodes and DataNodes as processes of their own, which a test may kill and stop. Blocks have 1 MiB and
// as many replicas as there are DataNodes. Two NameNodes are an HA pair without ZooKeeper: the first is active, and
// Activate changes that.
type HDFSCluster struct {
	HDFS      // its Address is the first NameNode's; its methods ask whichever is active
	NameNodes []*HDFSNode
	DataNodes []*HDFSNode
}

// HDFSNode is one process of a cluster.
type HDFSNode struct {
	Address string // of RPC, or of a DataNode's data

	java, args []string
	ready      func() bool

	mu      sync.Mutex
	process *javaProcess // nil while killed
}

const nameService = "starkeep-tests"

// StartHDFSCluster starts a cluster for the length of the test: some 5 seconds of CPU for each node.
func StartHDFSCluster(t testing.TB, nameNodes, dataNodes int) *HDFSCluster {
	t.Helper()
	java, dir := findJava(t), t.TempDir()
	c := &HDFSCluster{}
	addresses := freeAddresses(t, nameNodes+dataNodes)
	common := clusterSettings(dir, addresses[:nameNodes], dataNodes)
	for i, address := range addresses[:nameNodes] {
		node := &HDFSNode{Address: address, java: java, ready: func() bool { return c.answers(address) }}
		node.args = slices.Concat([]string{"org.apache.hadoop.hdfs.server.namenode.NameNode"}, common, nameNodeSettings(dir, i))
		c.NameNodes = append(c.NameNodes, node)
	}
	for i, address := range addresses[nameNodes:] {
		node := &HDFSNode{Address: address, java: java, ready: func() bool { return listens(address) }}
		node.args = slices.Concat([]string{"org.apache.hadoop.hdfs.server.datanode.DataNode"}, common, dataNodeSettings(dir, i, address))
		c.DataNodes = append(c.DataNodes, node)
	}
	c.format(t, dir, nameNodes)
	c.startAll(t, addresses[:nameNodes])
	return c
}

func setting(key, value string) string { return "-D" + key + "=" + value }

func clusterSettings(dir string, nameNodes []string, dataNodes int) []string {
	s := []string{
		setting("dfs.replication", strconv.Itoa(dataNodes)), setting("dfs.blocksize", strconv.Itoa(mib)),
		setting("dfs.namenode.fs-limits.min-block-size", "4096"), setting("dfs.namenode.safemode.extension", "0"),
		setting("dfs.heartbeat.interval", "1"), setting("dfs.namenode.redundancy.considerLoad", "false"),
	}
	if len(nameNodes) == 1 {
		return append(s, setting("fs.defaultFS", "hdfs://"+nameNodes[0]), setting("dfs.namenode.rpc-address", nameNodes[0]),
			setting("dfs.namenode.http-address", "127.0.0.1:0"))
	}
	s = append(s, setting("fs.defaultFS", "hdfs://"+nameService), setting("dfs.nameservices", nameService),
		setting("dfs.ha.namenodes."+nameService, "nn0,nn1"), setting("dfs.namenode.shared.edits.dir", "file://"+dir+"/shared"),
		setting("dfs.ha.fencing.methods", "shell(/bin/true)"), setting("dfs.ha.standby.checkpoints", "false"),
		setting("dfs.ha.tail-edits.period", "1"), setting("dfs.ha.log-roll.period", "1"),
		setting("dfs.client.failover.proxy.provider."+nameService, "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider"))
	for i, address := range nameNodes {
		name := fmt.Sprintf("%s.nn%d", nameService, i)
		s = append(s, setting("dfs.namenode.rpc-address."+name, address), setting("dfs.namenode.http-address."+name, "127.0.0.1:0"))
	}
	return s
}

func nameNodeSettings(dir string, i int) []string {
	return []string{setting("dfs.ha.namenode.id", fmt.Sprintf("nn%d", i)), setting("dfs.namenode.name.dir", fmt.Sprintf("file://%s/nn%d", dir, i))}
}

func dataNodeSettings(dir string, i int, address string) []string {
	return []string{
		setting("dfs.datanode.address", address), setting("dfs.datanode.http.address", "127.0.0.1:0"),
		setting("dfs.datanode.ipc.address", "127.0.0.1:0"), setting("dfs.datanode.data.dir", fmt.Sprintf("file://%s/dn%d", dir, i)),
	}
}

// format makes the first NameNode's directory; the second one begins with the same.
func (c *HDFSCluster) format(t testing.TB, dir string, nameNodes int) {
	t.Helper()
	node := c.NameNodes[0]
	args := slices.Concat(node.java[1:], node.args, []string{"-format", "-force", "-nonInteractive"})
	command := exec.Command(node.java[0], args...)
	command.Env = append(os.Environ(), "HADOOP_USER_NAME="+HDFSSuperuser)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("format a NameNode: %v: %s", err, out)
	}
	if nameNodes > 1 {
		if err := os.CopyFS(filepath.Join(dir, "nn1"), os.DirFS(filepath.Join(dir, "nn0"))); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *HDFSCluster) startAll(t testing.TB, nameNodes []string) {
	t.Helper()
	nodes := slices.Concat(c.NameNodes, c.DataNodes)
	t.Cleanup(func() {
		for _, node := range nodes {
			node.Kill()
		}
	})
	for _, node := range nodes {
		node.launch(t)
	}
	for _, node := range nodes {
		node.await(t)
	}
	if len(nameNodes) > 1 {
		c.Activate(t, 0)
	}
	admin, err := hdfs.NewClient(hdfs.ClientOptions{Addresses: nameNodes, User: HDFSSuperuser})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	c.HDFS = HDFS{Address: nameNodes[0], admin: admin}
	c.AwaitDataNodes(t, len(c.DataNodes))
}

// Config is a location as a user sees it, with all NameNodes.
func (c *HDFSCluster) Config(dir, user string) storage.Config {
	config := storage.Config{Location: "hdfs://" + nameService + dir, HDFS: storage.HDFS{User: user}}
	for _, node := range c.NameNodes {
		config.HDFS.NameNodes = append(config.HDFS.NameNodes, node.Address)
	}
	return config
}

// Activate makes a NameNode of a pair active, and the other one standby where it answers. A NameNode that cannot become active
// ends itself: then it is started again.
func (c *HDFSCluster) Activate(t testing.TB, i int) {
	t.Helper()
	byUser := protoMessage(1, protoUint(1, 0))
	other := hadoopCall{address: c.NameNodes[1-i].Address, protocol: haProtocol, method: "transitionToStandby"}
	_, _ = other.send(byUser)
	node := c.NameNodes[i]
	poll(t, "active NameNode", func() bool {
		_, err := hadoopCall{address: node.Address, protocol: haProtocol, method: "transitionToActive"}.send(byUser)
		if err != nil && !listens(node.Address) {
			t.Logf("a NameNode that was to become active ended: %v", err)
			node.Kill()
			node.Start(t)
		}
		return err == nil
	})
}

// AwaitDataNodes waits until the active NameNode takes n DataNodes for live and has left safe mode.
func (c *HDFSCluster) AwaitDataNodes(t testing.TB, n int) {
	t.Helper()
	poll(t, fmt.Sprintf("%d live DataNodes", n), func() bool {
		for _, node := range c.NameNodes {
			if live, err := LiveDataNodes(node.Address); err == nil && len(live) == n {
				return c.admin.MkdirAll(fmt.Sprintf("/ready/%d", time.Now().UnixNano()), 0o755) == nil
			}
		}
		return false
	})
}

// AwaitReplicas waits until each block of a file is known to lie on n DataNodes: a write ends when the first has told.
func (c *HDFSCluster) AwaitReplicas(t testing.TB, name string, n int) {
	t.Helper()
	poll(t, fmt.Sprintf("%d replicas of %s", n, name), func() bool {
		for _, node := range c.NameNodes {
			call := hadoopCall{address: node.Address, protocol: clientProtocol, method: "getBlockLocations"}
			answer, err := call.send(protoText(1, name), protoUint(2, 0), protoUint(3, 1<<40))
			if err != nil {
				continue
			}
			const locations, blocks, nodes = 1, 2, 3
			for _, block := range protoFields(message(protoFields(answer, locations)...), blocks) {
				if len(protoFields(block, nodes)) < n {
					return false
				}
			}
			return true
		}
		return false
	})
}

// LiveDataNodes are the addresses, for data, of the DataNodes that a NameNode takes for live.
func LiveDataNodes(nameNode string) ([]string, error) {
	const live = 2
	report, err := hadoopCall{address: nameNode, protocol: clientProtocol, method: "getDatanodeReport"}.send(protoUint(1, live))
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, node := range protoFields(report, 1) {
		id := protoFields(node, 1)[0] // DatanodeIDProto
		port, _ := protowire.ConsumeVarint(protoFields(id, 4)[0])
		addresses = append(addresses, net.JoinHostPort(string(protoFields(id, 1)[0]), strconv.FormatUint(port, 10)))
	}
	return addresses, nil
}

// answers tells whether a NameNode takes calls; a standby refuses them, which is an answer.
func (c *HDFSCluster) answers(address string) bool {
	_, err := hadoopCall{address: address, protocol: clientProtocol, method: "getFileInfo"}.send(protoText(1, "/"))
	return err == nil || strings.Contains(err.Error(), "standby")
}

func listens(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// Start starts a killed node at its old address and waits until it answers.
func (n *HDFSNode) Start(t testing.TB) {
	t.Helper()
	n.launch(t)
	n.await(t)
}

func (n *HDFSNode) launch(t testing.TB) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	process, err := startJava(n.java, n.args...)
	if err != nil {
		t.Fatal(err)
	}
	n.process = process
}

func (n *HDFSNode) await(t testing.TB) {
	t.Helper()
	if err := n.process.await("an answer", n.ready); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the process at once; what it had on disk stays.
func (n *HDFSNode) Kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process != nil {
		n.process.end()
		n.process = nil
	}
}

// Stop makes the process hang: its sockets stay open and nothing answers. Continue ends that.
func (n *HDFSNode) Stop(t testing.TB) { n.signal(t, syscall.SIGSTOP) }

// Continue lets a stopped process go on.
func (n *HDFSNode) Continue(t testing.TB) { n.signal(t, syscall.SIGCONT) }

func (n *HDFSNode) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := syscall.Kill(n.process.pid(), signal); err != nil {
		t.Fatal(err)
	}
}

// freeAddresses are addresses that differ.
func freeAddresses(t testing.TB, n int) []string {
	t.Helper()
	var addresses []string
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses
}

func poll(t testing.TB, what string, ready func() bool) {
	t.Helper()
	deadline := time.Now().Add(javaStartTimeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		if time.Now().After(deadline) {
			t.Fatalf("no %s after %v", what, javaStartTimeout)
		}
		<-tick.C
	}
}
