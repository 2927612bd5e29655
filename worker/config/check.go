package config

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"starkeep/restorepoint"
)

// check refuses values that cannot work, naming key and fix, and fills in what follows from other keys.
func (c *Config) check(d *decoder) {
	if c.Temporal.Address != "" {
		checkAddress(d, "temporal.address", c.Temporal.Address)
	}
	if len(c.Clusters) == 0 {
		d.fail("clusters", "name at least one cluster: see docs/starkeep.sample.yaml")
	}
	if len(c.Repositories) == 0 {
		d.fail("repositories", "name at least one repository: see docs/starkeep.sample.yaml")
	}
	for _, name := range c.ClusterNames() {
		path := join("clusters", name)
		checkName(d, path, name)
		cluster := c.Clusters[name]
		cluster.check(d, path)
	}
	for _, name := range c.RepositoryNames() {
		path := join("repositories", name)
		checkName(d, path, name)
		r := c.Repositories[name]
		if r.NativeName == "" {
			r.NativeName = name
		}
		r.check(d, path)
		c.Repositories[name] = r
	}
	c.checkMirrors(d)
	c.checkSchedules(d)
}

func checkName(d *decoder, path, name string) {
	if restorepoint.CheckClusterName(name) != nil {
		d.fail(path, "the profile's name becomes part of object keys: use 1 to 64 of the characters A-Z a-z 0-9 _ . -")
	}
}

func (c *Cluster) check(d *decoder, path string) {
	if len(c.Addresses) == 0 {
		d.fail(join(path, "addresses"), "list the FEs' MySQL addresses, such as [fe1:9030, fe2:9030]")
	}
	for i, a := range c.Addresses {
		checkAddress(d, fmt.Sprintf("%s.addresses[%d]", path, i), a)
	}
	if c.User == "" {
		d.fail(join(path, "user"), "name the StarRocks user that starkeep logs in as")
	}
	for _, from := range slices.Sorted(maps.Keys(c.Reach)) {
		checkAddress(d, join(path, "reach")+"."+from, from)
		checkAddress(d, join(path, "reach")+"."+from, c.Reach[from])
	}
	c.Timing.check(d, join(path, "timing"))
	if c.Limits.MaxTabletsPerUnit == 0 {
		d.fail(join(path, "limits.maxTabletsPerUnit"), "want 1 or more")
	}
	if c.Limits.ParallelDatabases == 0 {
		d.fail(join(path, "limits.parallelDatabases"), "want 1 or more")
	}
	if c.Limits.BytesPerSecond == 0 {
		d.fail(join(path, "limits.bytesPerSecond"), "want more than 0: the time a unit takes is estimated from it")
	}
}

func (t Timing) check(d *decoder, path string) {
	for _, pair := range []struct {
		shorter, longer   string
		shortest, longest time.Duration
	}{
		{"stallWarn", "stallCancel", t.StallWarn, t.StallCancel},
		{"pollInterval", "heartbeat", t.PollInterval, t.Heartbeat},
		{"pollInterval", "errorStall", t.PollInterval, t.ErrorStall},
		{"tick", "hungJob", t.Tick, t.HungJob},
	} {
		if pair.shortest >= pair.longest {
			d.fail(join(path, pair.shorter), "is %v, but must be shorter than %s (%v)", pair.shortest, pair.longer, pair.longest)
		}
	}
}

func checkEndpoint(d *decoder, path, endpoint string) {
	if endpoint == "" {
		return
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		d.fail(path, "want http://host:port or https://host:port and nothing else (what stands there is not shown)")
	}
}

func checkAddress(d *decoder, path, address string) {
	host, port, err := net.SplitHostPort(address)
	n, bad := strconv.Atoi(port)
	if err != nil || bad != nil || host == "" || n < 1 || n > 65535 {
		d.fail(path, "want host:port")
	}
}
