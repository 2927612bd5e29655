package config

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"starkeep/restorepoint"
)

// nativeName is what CREATE REPOSITORY accepts (starrocks-facts §1.4).
var nativeName = regexp.MustCompile(`^([a-zA-Z]\w{0,63}|_[a-zA-Z0-9]\w{0,62})$`)

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

func (r *Repository) check(d *decoder, path string) {
	if !nativeName.MatchString(r.NativeName) {
		d.fail(join(path, "nativeName"), "StarRocks takes a letter and up to 63 of A-Z a-z 0-9 _ as a repository's name: "+
			"write the name that CREATE REPOSITORY was given")
	}
	isS3 := checkLocation(d, join(path, "location"), r.Location)
	if r.StarRocks.Location != "" && r.Location != "" {
		checkLocation(d, join(path, "starrocks.location"), r.StarRocks.Location)
	}
	if r.S3 != (S3{}) && !isS3 {
		d.fail(join(path, "s3"), "belongs to s3:// and s3a:// locations only")
	}
	r.S3.check(d, join(path, "s3"))
	if r.StarRocks.AccessKey.IsSet() != r.StarRocks.SecretKey.IsSet() {
		d.fail(join(path, "starrocks.accessKey"), "accessKey and secretKey are set together or not at all")
	}
	checkEndpoint(d, join(path, "starrocks.endpoint"), r.StarRocks.Endpoint)
	for _, key := range slices.Sorted(maps.Keys(r.StarRocks.Properties)) {
		lower := strings.ToLower(key)
		for _, word := range []string{"secret", "password", "access_key", "access.key", "token", "credential"} {
			if strings.Contains(lower, word) {
				d.fail(join(path, "starrocks.properties"), "%q would hold a secret in clear: use accessKey and secretKey of the starrocks section", key)
				break
			}
		}
	}
}

func (s *S3) check(d *decoder, path string) {
	checkEndpoint(d, join(path, "endpoint"), s.Endpoint)
	if s.AccessKey.IsSet() != s.SecretKey.IsSet() {
		d.fail(join(path, "accessKey"), "accessKey and secretKey are set together or not at all (then the AWS SDK's default chain is used)")
	}
	if s.SessionToken.IsSet() && !s.AccessKey.IsSet() {
		d.fail(join(path, "sessionToken"), "belongs to an accessKey and secretKey")
	}
	if s.CAFile != "" && !filepath.IsAbs(s.CAFile) {
		s.CAFile = filepath.Join(d.dir, s.CAFile)
	}
}

// checkLocation tells whether it is an S3 location.
func checkLocation(d *decoder, path, location string) bool {
	u, err := url.Parse(location)
	if location == "" || err != nil {
		d.fail(path, "want s3://bucket/prefix, s3a://bucket/prefix or file:///directory, as in CREATE REPOSITORY")
		return false
	}
	s3 := u.Scheme == "s3" || u.Scheme == "s3a"
	switch {
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		d.fail(path, "a location holds neither keys nor a query: give keys by reference in the s3 section (what stands there is not shown)")
	case !s3 && u.Scheme != "file":
		d.fail(path, "locations of the kind %q are not supported: want s3://, s3a:// or file:///", u.Scheme)
	case s3 && u.Host == "":
		d.fail(path, "the bucket is missing: s3://bucket/prefix")
	case u.Scheme == "file" && (u.Host != "" || u.Path == ""):
		d.fail(path, "want three slashes: file:///directory")
	case strings.HasSuffix(location, "/"):
		d.fail(path, "leave the last / out: StarRocks would write to other keys than those it reads")
	}
	return s3
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
