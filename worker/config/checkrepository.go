package config

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

var (
	// nativeName is what CREATE REPOSITORY accepts (starrocks-facts §1.4).
	nativeName = regexp.MustCompile(`^([a-zA-Z]\w{0,63}|_[a-zA-Z0-9]\w{0,62})$`)
	roleARN    = regexp.MustCompile(`^arn:[a-z-]+:iam::\d*:role/\S+$`)
	principal  = regexp.MustCompile(`^[^@\s]+@[^@\s]+$`)
)

func (r *Repository) check(d *decoder, path string) {
	if !nativeName.MatchString(r.NativeName) {
		d.fail(join(path, "nativeName"), "StarRocks takes a letter and up to 63 of A-Z a-z 0-9 _ as a repository's name: "+
			"write the name that CREATE REPOSITORY was given")
	}
	if !checkLocation(d, join(path, "location"), r.Location) {
		return
	}
	r.checkSections(d, path)
	r.S3.check(d, join(path, "s3"))
	r.GCS.check(d, join(path, "gcs"))
	r.HDFS.check(d, join(path, "hdfs"), r.Location)
	r.StarRocks.check(d, join(path, "starrocks"), *r)
}

// checkSections refuses sections and keys that belong to another kind of location.
func (r *Repository) checkSections(d *decoder, path string) {
	kind := r.Kind()
	s := r.StarRocks
	for _, c := range []struct {
		key   string
		set   bool
		kinds string
	}{
		{"s3", r.S3 != (S3{}), "s3:// and s3a://"},
		{"gcs", r.GCS != (GCS{}), "gs://"},
		{"hdfs", !reflect.ValueOf(r.HDFS).IsZero(), "hdfs://"},
		{"starrocks.endpoint", s.Endpoint != "", "s3://, s3a:// and gs://"},
		{"starrocks.region", s.Region != "", "s3:// and s3a://"},
		{"starrocks.accessKey", s.AccessKey.IsSet() || s.SecretKey.IsSet(), "s3://, s3a:// and gs://"},
		{"starrocks.instanceProfile", s.InstanceProfile, "s3:// and s3a://"},
		{"starrocks.role", s.Role != (NativeRole{}), "s3:// and s3a://"},
		{"starrocks.user", s.User != "", "hdfs://"},
		{"starrocks.password", s.Password.IsSet(), "hdfs://"},
	} {
		if c.set && !strings.Contains(c.kinds, kind+"://") {
			d.fail(join(path, c.key), "belongs to %s locations only", c.kinds)
		}
	}
}

func (s *S3) check(d *decoder, path string) {
	checkEndpoint(d, join(path, "endpoint"), s.Endpoint)
	if s.AccessKey.IsSet() != s.SecretKey.IsSet() {
		d.fail(join(path, "accessKey"), "accessKey and secretKey are set together or not at all (then instanceProfile, else the AWS SDK's default chain is used)")
	}
	if s.SessionToken.IsSet() && !s.AccessKey.IsSet() {
		d.fail(join(path, "sessionToken"), "belongs to an accessKey and secretKey")
	}
	checkProfile(d, path, s.InstanceProfile, s.AccessKey)
	role := join(path, "role")
	checkRole(d, role, NativeRole{s.Role.ARN, s.Role.ExternalID})
	if s.Role.ARN == "" && (s.Role.SessionName != "" || s.Role.Endpoint != "") {
		d.fail(join(role, "arn"), "name the role: sessionName and endpoint say how it is assumed")
	}
	checkEndpoint(d, join(role, "endpoint"), s.Role.Endpoint)
	d.file(&s.CAFile)
}

func checkProfile(d *decoder, path string, profile bool, accessKey Secret) {
	if profile && accessKey.IsSet() {
		d.fail(join(path, "instanceProfile"), "there are keys too: leave either accessKey and secretKey or instanceProfile")
	}
}

func checkRole(d *decoder, path string, r NativeRole) {
	if r.ARN == "" && r.ExternalID != "" {
		d.fail(join(path, "arn"), "name the role: externalId is what it asks for")
	}
	if r.ARN != "" && !roleARN.MatchString(r.ARN) {
		d.fail(join(path, "arn"), "want arn:aws:iam::<account>:role/<name>")
	}
}

func (g *GCS) check(d *decoder, path string) {
	checkEndpoint(d, join(path, "endpoint"), g.Endpoint)
	if g.AccessKey.IsSet() != g.SecretKey.IsSet() {
		d.fail(join(path, "accessKey"), "accessKey and secretKey, an HMAC key, are set together or not at all (then serviceAccountFile, else the application default credentials are used)")
	}
	if g.ServiceAccountFile != "" && g.AccessKey.IsSet() {
		d.fail(join(path, "serviceAccountFile"), "there is an HMAC key too: leave either accessKey and secretKey or serviceAccountFile; StarRocks' HMAC key belongs into the starrocks section")
	}
	d.file(&g.ServiceAccountFile)
	d.file(&g.CAFile)
}

func (h *HDFS) check(d *decoder, path, location string) {
	if kindOf(location) != kindHDFS {
		return
	}
	for i, address := range h.NameNodes {
		checkAddress(d, fmt.Sprintf("%s.nameNodes[%d]", path, i), address)
	}
	u, _ := url.Parse(location)
	switch {
	case len(h.NameNodes) > 0 && u.Port() != "":
		d.fail(join(path, "nameNodes"), "the location names one NameNode, %s: write the nameservice there (hdfs://nameservice/dir), or leave nameNodes out", u.Host)
	case len(h.NameNodes) == 0 && u.Port() == "":
		d.fail(join(path, "nameNodes"), "the location's %s has no port: list the NameNodes of the nameservice as [host:port, host:port], or write hdfs://host:port/dir", u.Host)
	}
	h.Kerberos.check(d, join(path, "kerberos"), h.User)
}

func (k *Kerberos) check(d *decoder, path, user string) {
	if *k == (Kerberos{}) {
		return
	}
	switch {
	case k.Principal == "" || k.Keytab == "":
		d.fail(join(path, "principal"), "principal and keytab are set together: user@REALM and the file with its key")
	case !principal.MatchString(k.Principal):
		d.fail(join(path, "principal"), "want user@REALM")
	case user != "":
		d.fail(join(path, "principal"), "hdfs.user is set too: with Kerberos the principal is the user, leave hdfs.user out")
	}
	if k.Protection != "" && !slices.Contains([]string{"authentication", "privacy"}, k.Protection) {
		d.fail(join(path, "protection"), "want authentication or privacy; the HDFS client library knows no integrity")
	}
	d.file(&k.Keytab)
	d.file(&k.Config)
}

func (s *StarRocks) check(d *decoder, path string, r Repository) {
	if s.Location != "" && checkLocation(d, join(path, "location"), s.Location) && !sameKind(r.Kind(), kindOf(s.Location)) {
		d.fail(join(path, "location"), "is of another kind than location: both must lead to the same objects")
	}
	checkNative(d, path, r)
	checkEndpoint(d, join(path, "endpoint"), s.Endpoint)
	if s.AccessKey.IsSet() != s.SecretKey.IsSet() {
		d.fail(join(path, "accessKey"), "accessKey and secretKey are set together or not at all")
	}
	checkProfile(d, path, s.InstanceProfile, s.AccessKey)
	checkRole(d, join(path, "role"), s.Role)
	for _, key := range slices.Sorted(maps.Keys(s.Properties)) {
		if reason := badProperty(key, s.Properties[key]); reason != "" {
			d.fail(join(path, "properties"), "%q %s", key, reason)
		}
	}
}

// checkNative refuses what CREATE REPOSITORY could not be made of.
func checkNative(d *decoder, path string, r Repository) {
	s := r.StarRocks
	switch r.Kind() {
	case kindS3, kindGCS:
		if _, prefix, _ := strings.Cut(strings.TrimPrefix(r.NativeLocation(), "s3a://"), "/"); prefix == "" {
			d.fail(strings.TrimSuffix(path, ".starrocks")+".location", "StarRocks takes no location without a prefix below the bucket: s3://bucket/prefix")
		}
	}
	if r.Kind() == kindS3 && r.S3.SessionToken.IsSet() && !s.hasCredentials() {
		d.fail(join(path, "accessKey"), "the worker's keys are temporary (s3.sessionToken), but a repository keeps its keys for as long as it exists: "+
			"give StarRocks keys, an instanceProfile or a role of its own in the starrocks section")
	}
	if r.Kind() == kindGCS && !r.GCS.AccessKey.IsSet() && !s.AccessKey.IsSet() {
		d.fail(join(path, "accessKey"), "StarRocks reaches Google Cloud Storage through its S3 side, with an HMAC key: "+
			"create one for a service account and give it as accessKey and secretKey of the starrocks section")
	}
}

func sameKind(a, b string) bool {
	object := func(k string) bool { return k == kindS3 || k == kindGCS }
	return a == b || a == kindGCS && object(b)
}

// ownKeys are properties that have keys of their own here: said twice they could disagree.
var ownKeys = map[string]string{
	"aws.s3.access_key": "accessKey", "aws.s3.secret_key": "secretKey", "fs.s3a.access.key": "accessKey", "fs.s3a.secret.key": "secretKey",
	"aws.s3.endpoint": "endpoint", "fs.s3a.endpoint": "endpoint", "aws.s3.region": "region",
	"aws.s3.use_instance_profile": "instanceProfile", "aws.s3.iam_role_arn": "role.arn", "aws.s3.external_id": "role.externalId",
	"username": "user", "password": "password",
}

// badProperty says why a property cannot be passed through; "" if it can. It never repeats the value.
func badProperty(key, value string) string {
	lower := strings.ToLower(key)
	switch {
	case ownKeys[lower] != "":
		return "has a key of its own: use starrocks." + ownKeys[lower]
	case lower == "dfs.nameservices":
		return "is refused by StarRocks without a broker: put the nameservice with its NameNodes into hdfs-site.xml in the conf directory of every FE and BE"
	case lower == "hadoop.security.authentication" && strings.ToLower(value) != "simple":
		return "is refused by StarRocks without a broker unless it is simple: put Kerberos into core-site.xml and hdfs-site.xml in the conf directory of every FE and BE"
	case looksSecret(lower, value):
		return "would hold a secret in clear: use accessKey and secretKey, or password, of the starrocks section, or a file in the conf directory of every FE and BE"
	}
	return ""
}

// looksSecret tells property names that stand for secrets, from those that only speak of them: switches, classes, paths.
func looksSecret(lower, value string) bool {
	if value == "true" || value == "false" || strings.HasSuffix(lower, ".provider") || strings.HasSuffix(lower, ".provider.path") {
		return false
	}
	for _, word := range []string{"secret", "password", "access_key", "access.key", "accesskey", "private_key", "private.key", "token", "credential", "keytab_content", "sas", "encryption.key"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}

// file makes a relative file name start at the configuration's directory.
func (d *decoder) file(name *string) {
	if *name != "" && !filepath.IsAbs(*name) {
		*name = filepath.Join(d.dir, *name)
	}
}

const locationForms = "s3://bucket/prefix, s3a://bucket/prefix, gs://bucket/prefix, hdfs://host:port/dir, hdfs://nameservice/dir or file:///dir"

// checkLocation tells whether it is one.
func checkLocation(d *decoder, key, location string) bool {
	u, err := url.Parse(location)
	if location == "" || err != nil {
		d.fail(key, "want %s", locationForms)
		return false
	}
	switch kind := kindOf(location); {
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		d.fail(key, "a location holds neither keys nor a query: give keys by reference in the section of its kind (what stands there is not shown)")
	case kind == "":
		d.fail(key, "locations of the kind %q are not supported: want %s", u.Scheme, locationForms)
	case (kind == kindS3 || kind == kindGCS) && u.Host == "":
		d.fail(key, "the bucket is missing: %s://bucket/prefix", kind)
	case (kind == kindS3 || kind == kindGCS) && u.Port() != "":
		d.fail(key, "want the bucket's name after ://; the server's address belongs into endpoint")
	case kind == kindFile && (u.Host != "" || u.Path == ""):
		d.fail(key, "want three slashes: file:///directory")
	case kind == kindHDFS && u.Hostname() == "":
		d.fail(key, "want hdfs://host:port/dir, or hdfs://nameservice/dir with hdfs.nameNodes")
	case strings.HasSuffix(location, "/"):
		d.fail(key, "leave the last / out: StarRocks would write to other keys than those it reads")
	case kind == kindHDFS && u.Path == "":
		d.fail(key, "the directory is missing: hdfs://%s/dir", u.Host)
	case u.Path != "" && path.Clean(u.Path) != u.Path:
		d.fail(key, "leave out //, /./ and /../: StarRocks and the store would read them differently")
	default:
		return true
	}
	return false
}
