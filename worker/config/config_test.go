package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const sample = "../../docs/starkeep.sample.yaml"

func TestSampleLoads(t *testing.T) {
	c, err := Load(sample)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.ClusterNames(), []string{"prod", "test"}) || !slices.Equal(c.RepositoryNames(), []string{"gcs_hmac", "gcs_main", "hdfs_main", "hdfs_secure", "s3-main", "s3_role", "s3_test"}) {
		t.Errorf("profiles: %v, %v", c.ClusterNames(), c.RepositoryNames())
	}
	if !slices.Equal(c.MirrorNames(), []string{"dr", "gcs_dr", "hdfs_dr", "nfs"}) {
		t.Errorf("mirrors: %v", c.MirrorNames())
	}
	if got := c.Repositories["s3_test"].NativeName; got != "s3_test" {
		t.Errorf("native name of a profile without one: %q", got)
	}
}

// The sample says that its values are the defaults.
func TestSampleShowsTheDefaults(t *testing.T) {
	c, err := Load(sample)
	if err != nil {
		t.Fatal(err)
	}
	full, minimal := c.Clusters["prod"], c.Clusters["test"]
	if full.Timing != minimal.Timing || full.Limits != minimal.Limits || full.StatementTimeout != minimal.StatementTimeout {
		t.Errorf("sample: %+v %+v %v\ndefaults: %+v %+v %v", full.Timing, full.Limits, full.StatementTimeout, minimal.Timing, minimal.Limits, minimal.StatementTimeout)
	}
}

func TestSampleHasEveryKey(t *testing.T) {
	data, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	missing(t, reflect.TypeFor[Config](), tree, "")
}

// missing reports keys of the type that the tree has nowhere.
func missing(t *testing.T, typ reflect.Type, tree map[string]any, path string) {
	t.Helper()
	for i := range typ.NumField() {
		field := typ.Field(i)
		key := join(path, field.Tag.Get("yaml"))
		value, ok := tree[field.Tag.Get("yaml")]
		if !ok {
			t.Errorf("%s is not in the sample", key)
			continue
		}
		below, _ := value.(map[string]any)
		switch {
		case field.Type == reflect.TypeFor[Secret]():
		case typ == reflect.TypeFor[Mirror](): // its sections are those of a repository, where they are shown in full
		case field.Type.Kind() == reflect.Struct:
			missing(t, field.Type, below, key)
		case field.Type.Kind() == reflect.Map && field.Type.Elem().Kind() == reflect.Struct:
			missing(t, field.Type.Elem(), together(below), key)
		}
	}
}

// together gives all keys that any of the profiles has.
func together(profiles map[string]any) map[string]any {
	all := map[string]any{}
	for _, p := range profiles {
		m, _ := p.(map[string]any)
		merge(all, m)
	}
	return all
}

func merge(into, from map[string]any) {
	for key, value := range from {
		below, ok := value.(map[string]any)
		if there, both := into[key].(map[string]any); ok && both {
			merge(there, below)
			continue
		}
		into[key] = value
	}
}

const good = `
clusters:
  prod:
    addresses: [fe:9030]
    user: root
repositories:
  main:
    location: s3://bucket/prefix
`

func TestWrongConfigurationsNameKeyLineAndFix(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"empty":                   {"", []string{"empty"}},
		"only a comment":          {"# nothing\n", []string{"empty"}},
		"not a mapping":           {"[a]", []string{"the file", "want keys"}},
		"two documents":           {good + "---\nclusters: {}\n", []string{"more than one YAML document"}},
		"no clusters":             {"repositories: {main: {location: s3://b/p}}", []string{"clusters", "at least one cluster"}},
		"no repositories":         {"clusters: {p: {addresses: [fe:9030], user: u}}", []string{"repositories", "at least one repository"}},
		"unknown key":             {strings.Replace(good, "user:", "usr:", 1), []string{"clusters.prod.usr (line 5)", "unknown key", "addresses, user, password"}},
		"unknown key on top":      {good + "mirors: {}\n", []string{"mirors (line 9)", "unknown key"}},
		"key twice":               {strings.Replace(good, "user: root", "user: root\n    user: admin", 1), []string{"line 6", "twice"}},
		"cluster name":            {strings.Replace(good, "prod:", "pr/od:", 1), []string{"clusters.pr/od (line 3)", "A-Z a-z"}},
		"dots for a name":         {strings.Replace(good, "prod:", "..:", 1), []string{"clusters... (line 3)", "A-Z a-z"}},
		"address without port":    {strings.Replace(good, "fe:9030", "fe", 1), []string{"clusters.prod.addresses[0] (line 4)", "host:port"}},
		"no address":              {strings.Replace(good, "[fe:9030]", "[]", 1), []string{"clusters.prod.addresses (line 4)", "list the FEs"}},
		"address is not a list":   {strings.Replace(good, "[fe:9030]", "fe:9030", 1), []string{"clusters.prod.addresses (line 4)", "want a list"}},
		"no user":                 {strings.Replace(good, "user: root", "user:", 1), []string{"clusters.prod.user (line 5)", "StarRocks user"}},
		"duration without unit":   {strings.Replace(good, "user: root", "user: root\n    timing: {stallWarn: 300}", 1), []string{"clusters.prod.timing.stallWarn (line 6)", "30s"}},
		"negative duration":       {strings.Replace(good, "user: root", "user: root\n    timing: {stallWarn: -3s}", 1), []string{"stallWarn (line 6)", "above 0"}},
		"stall order":             {strings.Replace(good, "user: root", "user: root\n    timing: {stallWarn: 2h}", 1), []string{"stallWarn (line 6)", "shorter than stallCancel (1h0m0s)"}},
		"negative limit":          {strings.Replace(good, "user: root", "user: root\n    limits: {maxTabletsPerUnit: -1}", 1), []string{"maxTabletsPerUnit (line 6)", "0 or more"}},
		"no parallel databases":   {strings.Replace(good, "user: root", "user: root\n    limits: {parallelDatabases: 0}", 1), []string{"parallelDatabases (line 6)", "1 or more"}},
		"size":                    {strings.Replace(good, "user: root", "user: root\n    limits: {bytesPerSecond: 10MB}", 1), []string{"bytesPerSecond (line 6)", "100MiB"}},
		"size too large":          {strings.Replace(good, "user: root", "user: root\n    limits: {bytesPerSecond: 999999999999TiB}", 1), []string{"bytesPerSecond (line 6)", "too large"}},
		"boolean":                 {good + "    s3: {pathStyle: yes}\n", []string{"repositories.main.s3.pathStyle (line 9)", "true or false"}},
		"slash at the end":        {strings.Replace(good, "prefix", "prefix/", 1), []string{"repositories.main.location (line 8)", "leave the last / out"}},
		"unsupported location":    {strings.Replace(good, "s3:", "oss:", 1), []string{"location (line 8)", `"oss"`, "s3://"}},
		"no bucket":               {strings.Replace(good, "s3://bucket/", "s3:///", 1), []string{"location (line 8)", "bucket is missing"}},
		"relative file location":  {strings.Replace(good, "s3://bucket", "file://dir", 1), []string{"location (line 8)", "three slashes"}},
		"s3 for a file location":  {strings.Replace(good, "s3://bucket", "file:///dir", 1) + "    s3: {region: r}\n", []string{"repositories.main.s3 (line 9)", "s3a://"}},
		"native name":             {strings.Replace(good, "main:", "main-repo:", 1), []string{"repositories.main-repo.nativeName (line 7)", "CREATE REPOSITORY"}},
		"half of the keys":        {good + "    s3: {accessKey: env:A}\n", []string{"repositories.main.s3.accessKey (line 9)", "together"}},
		"mirror of the same name": {good + "mirrors: {main: {location: s3://other}}\n", []string{"mirrors.main (line 9)", "a repository has this name too"}},
		"mirror with StarRocks":   {good + "mirrors: {dr: {location: s3://other, starrocks: {}}}\n", []string{"mirrors.dr.starrocks (line 9)", "unknown key", "location, bandwidth, s3, gcs, hdfs"}},
		"mirror without location": {good + "mirrors: {dr: {s3: {}}}\n", []string{"mirrors.dr.location (line 9)", "s3://bucket/prefix"}},
		"mirror's other section":  {good + "mirrors: {dr: {location: file:///dir, s3: {region: r}}}\n", []string{"mirrors.dr.s3 (line 9)", "s3a://"}},
		"half of a mirror's keys": {good + "mirrors: {dr: {location: s3://other, s3: {accessKey: env:A}}}\n", []string{"mirrors.dr.s3.accessKey (line 9)", "together"}},
		"mirror's name":           {good + "mirrors: {d/r: {location: s3://other}}\n", []string{"mirrors.d/r (line 9)", "A-Z a-z"}},
		"alias":                   {strings.Replace(good, "user: root", "user: &u root", 1), []string{"clusters.prod.user (line 5)", "anchors"}},
		"merge key":               {strings.Replace(good, "user: root", "<<: {user: root}", 1), []string{"clusters.prod.<< (line 5)", "unknown key"}},
		"not YAML":                {good + "\t- x\n", []string{"not YAML", "line "}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse([]byte(test.text), "/etc")
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
}

func TestAllErrorsAreReportedAtOnce(t *testing.T) {
	_, err := parse([]byte("clusters: {p: {adresses: [], user: u, password: geheim}, q: {user: u, timing: 3}}\nrepositories: {}"), "/")
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"clusters.p.adresses", "clusters.p.password", "clusters.q.timing"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %s: %v", want, err)
		}
	}
}

// Wherever a secret is written by mistake, no error repeats it.
func TestErrorsNeverRepeatASecret(t *testing.T) {
	const canary = "k4n4ri3nv0g3l"
	at := func(line string) string { return good + "    s3:\n      " + line + "\n" }
	for name, text := range map[string]string{
		"literal password":    strings.Replace(good, "user: root", "user: root\n    password: "+canary, 1),
		"quoted password":     strings.Replace(good, "user: root", "user: root\n    password: \""+canary+"\"", 1),
		"password as list":    strings.Replace(good, "user: root", "user: root\n    password: ["+canary+"]", 1),
		"password as keys":    strings.Replace(good, "user: root", "user: root\n    password: {x: "+canary+"}", 1),
		"password as alias":   strings.Replace(good, "user: root", "user: root\n    password: *"+canary, 1),
		"password as anchor":  strings.Replace(good, "user: root", "user: root\n    password: &"+canary+" x", 1),
		"password as tag":     strings.Replace(good, "user: root", "user: root\n    password: !!int "+canary, 1),
		"broken escape":       strings.Replace(good, "user: root", "user: root\n    password: \"\\q"+canary+"\"", 1),
		"open quote":          strings.Replace(good, "user: root", "user: root\n    password: '"+canary, 1),
		"percent":             strings.Replace(good, "user: root", "user: root\n    password: %"+canary, 1),
		"env with a literal":  at("secretKey: env:" + canary + "!"),
		"literal secret key":  at("secretKey: " + canary),
		"literal access key":  at("accessKey: " + canary),
		"literal token":       at("sessionToken: " + canary),
		"as a boolean":        at("pathStyle: " + canary),
		"in the endpoint":     at("endpoint: https://key:" + canary + "@host"),
		"in an odd endpoint":  at("endpoint: https://key:" + canary + "%zz@host"),
		"in the location":     strings.Replace(good, "bucket", "key:"+canary+"@bucket", 1),
		"in an odd location":  strings.Replace(good, "bucket", "key:"+canary+"%zz@bucket", 1),
		"in an address":       strings.Replace(good, "fe:9030", "root:"+canary+"@fe:9030x", 1),
		"as a duration":       strings.Replace(good, "user: root", "user: root\n    statementTimeout: "+canary, 1),
		"as a number":         strings.Replace(good, "user: root", "user: root\n    limits: {parallelDatabases: "+canary+"}", 1),
		"as a size":           good + "    bandwidth: " + canary + "\n",
		"in properties":       good + "    starrocks: {properties: {aws.s3.secret_key: " + canary + "}}\n",
		"in Hadoop's":         good + "    starrocks: {properties: {fs.s3a.secret.key: " + canary + "}}\n",
		"literal HMAC key":    strings.Replace(good, "s3://", "gs://", 1) + "    gcs: {accessKey: " + canary + ", secretKey: " + canary + "}\n",
		"HDFS password":       strings.Replace(good, "s3://bucket", "hdfs://nn:1", 1) + "    starrocks: {password: " + canary + "}\n",
		"in the HDFS user":    strings.Replace(good, "s3://bucket", "hdfs://u:"+canary+"@nn:1", 1),
		"in STS' endpoint":    at("role: {arn: 'arn:aws:iam::1:role/x', endpoint: 'https://k:" + canary + "@sts'}"),
		"in a role":           at("role: {arn: " + canary + "}"),
		"as native name":      good + "    nativeName: " + canary + "-\n",
		"instead of profiles": "clusters: " + canary,
		"as the whole file":   canary,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse([]byte(text), "/etc")
			if err == nil {
				t.Fatal("accepted")
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error repeats it: %v", err)
			}
		})
	}
}

func TestSecretsAreReadOnUse(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "password")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := parse([]byte(strings.Replace(good, "user: root", "user: root\n    password: file:password", 1)), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CheckSecrets(); err == nil || !strings.Contains(err.Error(), "clusters.prod.password: secret file:"+file) {
		t.Errorf("missing file: %v", err)
	}
	for text, want := range map[string]string{"one\n": "one", "two": "two", "three\r\n": "three", " four \n\n": " four \n"} {
		write(text)
		client, err := c.Clusters["prod"].Client()
		if err != nil || client.Password != want {
			t.Errorf("%q: got %q, %v", text, client.Password, err)
		}
	}
	for _, text := range []string{"", "\n", strings.Repeat("x", maxSecret+1)} {
		write(text)
		if _, err := c.Clusters["prod"].Client(); err == nil {
			t.Errorf("a file of %d bytes was taken", len(text))
		}
	}
}

func TestSecretsFromTheEnvironment(t *testing.T) {
	c, err := parse([]byte(good+"    s3: {accessKey: env:STARKEEP_TEST_A, secretKey: env:STARKEEP_TEST_S}\n    starrocks: {endpoint: http://inside:9000}\n"), "/")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("STARKEEP_TEST_A", "a")
	if err := c.CheckSecrets(); err == nil || !strings.Contains(err.Error(), "repositories.main.s3.secretKey: secret env:STARKEEP_TEST_S") {
		t.Errorf("missing variable: %v", err)
	}
	t.Setenv("STARKEEP_TEST_S", "s")
	if err := c.CheckSecrets(); err != nil {
		t.Error(err)
	}
	r := c.Repositories["main"]
	store, err := r.Store()
	if err != nil || store.S3.AccessKey != "a" || store.S3.SecretKey != "s" || store.S3.Endpoint != "" {
		t.Errorf("store: %v, %v", store, err)
	}
	native, err := r.NativeProperties()
	want := map[string]string{"aws.s3.access_key": "a", "aws.s3.secret_key": "s", "aws.s3.endpoint": "http://inside:9000", "aws.s3.enable_ssl": "false"}
	if err != nil || !reflect.DeepEqual(native, want) {
		t.Errorf("native properties: %v, %v", native, err)
	}
	if r.NativeLocation() != "s3a://bucket/prefix" {
		t.Errorf("native location: %s", r.NativeLocation())
	}
}

func TestStarRocksOwnKeysReplaceTheWorkers(t *testing.T) {
	t.Setenv("STARKEEP_TEST_A", "a")
	t.Setenv("STARKEEP_TEST_B", "b")
	c, err := parse([]byte(good+"    s3: {accessKey: env:STARKEEP_TEST_A, secretKey: env:STARKEEP_TEST_A, region: here, pathStyle: true}\n"+
		"    starrocks: {location: s3a://other/place, accessKey: env:STARKEEP_TEST_B, secretKey: env:STARKEEP_TEST_B, properties: {aws.s3.enable_ssl: 'false'}}\n"), "/")
	if err != nil {
		t.Fatal(err)
	}
	native, err := c.Repositories["main"].NativeProperties()
	want := map[string]string{"aws.s3.access_key": "b", "aws.s3.secret_key": "b", "aws.s3.region": "here",
		"aws.s3.enable_path_style_access": "true", "aws.s3.enable_ssl": "false"}
	if err != nil || !reflect.DeepEqual(native, want) {
		t.Errorf("native properties: %v, %v", native, err)
	}
	if got := c.Repositories["main"].NativeLocation(); got != "s3a://other/place" {
		t.Errorf("native location: %s", got)
	}
}

// `config show` prints a configuration that can be loaded again, with references in place of secrets.
func TestShownConfigurationLoadsAgain(t *testing.T) {
	c, err := Load(sample)
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	again, err := parse(text, "/")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if !reflect.DeepEqual(c, again) {
		t.Errorf("was %+v\nis %+v", c, again)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "17": 17, "5B": 5, "64KiB": 64 << 10, "100MiB": 100 << 20, "2GiB": 2 << 30, "3TiB": 3 << 40} {
		got, err := parseSize(text)
		if err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
		if again, err := parseSize(got.String()); err != nil || again != got {
			t.Errorf("%s: written as %s, read as %d, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "-1", "1.5GiB", "1GB", "GiB", "1 GiB", "9999999999999999"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}

func TestDefaultsKeepTheRules(t *testing.T) {
	c, err := parse([]byte(good), "/")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Clusters["prod"].Timing; got != defaultTiming() || got.ErrorStall != 3*time.Minute || got.StallCancel != time.Hour {
		t.Errorf("timing: %+v", got)
	}
}

// No text makes the reader panic.
func FuzzParse(f *testing.F) {
	f.Add(good)
	if data, err := os.ReadFile(sample); err == nil {
		f.Add(string(data))
	}
	f.Add("a: &a [*a]")
	f.Add("? [x]\n: y")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse([]byte(text), "/")
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
	})
}
