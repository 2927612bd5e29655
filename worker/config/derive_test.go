package config

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/test/starrockssim"
)

// secretsInEnvironment are what the profiles below refer to; a value says which it is.
var secretsInEnvironment = map[string]string{
	"ACCESS": "the-access-key", "SECRET": "the-secret-key", "TOKEN": "the-token", "SR_ACCESS": "starrocks-access-key",
	"SR_SECRET": "starrocks-secret-key", "PASSWORD": "the-password",
}

// derived are profiles, and what each side gets of them: the worker's way to the store, and the statement.
var derived = []struct {
	name    string
	profile string
	store   storage.Config
	create  string
}{
	{
		name: "S3 with access keys",
		profile: `
location: s3://backups/starrocks
s3: {region: eu-central-1, accessKey: env:ACCESS, secretKey: env:SECRET}`,
		store: storage.Config{Location: "s3://backups/starrocks", S3: storage.S3{Region: "eu-central-1", AccessKey: "the-access-key", SecretKey: "the-secret-key"}},
		create: `ON LOCATION "s3a://backups/starrocks" PROPERTIES (
"aws.s3.access_key" = "the-access-key", "aws.s3.region" = "eu-central-1", "aws.s3.secret_key" = "the-secret-key")`,
	},
	{
		name: "S3 at a server of one's own, over http",
		profile: `
location: s3a://backups/starrocks
s3: {endpoint: "http://minio:9000", region: us-east-1, pathStyle: true, accessKey: env:ACCESS, secretKey: env:SECRET, caFile: ca.pem}`,
		store: storage.Config{Location: "s3a://backups/starrocks", S3: storage.S3{Endpoint: "http://minio:9000", Region: "us-east-1", PathStyle: true,
			AccessKey: "the-access-key", SecretKey: "the-secret-key", CAFile: "/etc/starkeep/ca.pem"}},
		create: `ON LOCATION "s3a://backups/starrocks" PROPERTIES (
"aws.s3.access_key" = "the-access-key", "aws.s3.enable_path_style_access" = "true", "aws.s3.enable_ssl" = "false", "aws.s3.endpoint" = "http://minio:9000",
"aws.s3.region" = "us-east-1", "aws.s3.secret_key" = "the-secret-key")`,
	},
	{
		name: "S3 that StarRocks sees at another address with other keys",
		profile: `
location: s3://backups/starrocks
s3: {endpoint: "http://127.0.0.1:9000", pathStyle: true, accessKey: env:ACCESS, secretKey: env:SECRET, sessionToken: env:TOKEN}
starrocks:
  location: s3://tunnel-backups/starrocks
  endpoint: https://minio.internal:9000
  region: us-east-1
  accessKey: env:SR_ACCESS
  secretKey: env:SR_SECRET
  properties: {aws.s3.max_connections: "50", aws.s3.enable_path_style_access: "false"}`,
		store: storage.Config{Location: "s3://backups/starrocks", S3: storage.S3{Endpoint: "http://127.0.0.1:9000", PathStyle: true,
			AccessKey: "the-access-key", SecretKey: "the-secret-key", SessionToken: "the-token"}},
		create: `ON LOCATION "s3a://tunnel-backups/starrocks" PROPERTIES (
"aws.s3.access_key" = "starrocks-access-key", "aws.s3.enable_path_style_access" = "false", "aws.s3.enable_ssl" = "true", "aws.s3.endpoint" = "https://minio.internal:9000",
"aws.s3.max_connections" = "50", "aws.s3.region" = "us-east-1", "aws.s3.secret_key" = "starrocks-secret-key")`,
	},
	{
		name: "S3 with the instance profile",
		profile: `
location: s3://backups/starrocks
s3: {region: eu-central-1, instanceProfile: true}`,
		store: storage.Config{Location: "s3://backups/starrocks", S3: storage.S3{Region: "eu-central-1", InstanceProfile: true}},
		create: `ON LOCATION "s3a://backups/starrocks" PROPERTIES (
"aws.s3.region" = "eu-central-1", "aws.s3.use_instance_profile" = "true")`,
	},
	{
		name: "S3 with an assumed role",
		profile: `
location: s3://backups/starrocks
s3:
  region: eu-central-1
  instanceProfile: true
  role: {arn: "arn:aws:iam::123456789012:role/backup", externalId: ours, sessionName: worker, endpoint: "https://sts.eu-central-1.amazonaws.com"}`,
		store: storage.Config{Location: "s3://backups/starrocks", S3: storage.S3{Region: "eu-central-1", InstanceProfile: true,
			Role: storage.Role{ARN: "arn:aws:iam::123456789012:role/backup", ExternalID: "ours", SessionName: "worker", Endpoint: "https://sts.eu-central-1.amazonaws.com"}}},
		create: `ON LOCATION "s3a://backups/starrocks" PROPERTIES (
"aws.s3.external_id" = "ours", "aws.s3.iam_role_arn" = "arn:aws:iam::123456789012:role/backup", "aws.s3.region" = "eu-central-1", "aws.s3.use_instance_profile" = "true")`,
	},
	{
		name: "S3 with a role assumed with keys",
		profile: `
location: s3://backups/starrocks
s3: {region: eu-central-1, accessKey: env:ACCESS, secretKey: env:SECRET, role: {arn: "arn:aws-cn:iam::1:role/path/backup"}}`,
		store: storage.Config{Location: "s3://backups/starrocks", S3: storage.S3{Region: "eu-central-1", AccessKey: "the-access-key", SecretKey: "the-secret-key",
			Role: storage.Role{ARN: "arn:aws-cn:iam::1:role/path/backup"}}},
		create: `ON LOCATION "s3a://backups/starrocks" PROPERTIES (
"aws.s3.access_key" = "the-access-key", "aws.s3.iam_role_arn" = "arn:aws-cn:iam::1:role/path/backup", "aws.s3.region" = "eu-central-1", "aws.s3.secret_key" = "the-secret-key")`,
	},
	{
		name: "S3 with keys for the worker and a role for StarRocks: not one key of the worker's reaches the statement",
		profile: `
location: s3://backups/starrocks
s3: {region: eu-central-1, accessKey: env:ACCESS, secretKey: env:SECRET}
starrocks: {role: {arn: "arn:aws:iam::123456789012:role/starrocks", externalId: theirs}}`,
		store: storage.Config{Location: "s3://backups/starrocks", S3: storage.S3{Region: "eu-central-1", AccessKey: "the-access-key", SecretKey: "the-secret-key"}},
		create: `ON LOCATION "s3a://backups/starrocks" PROPERTIES (
"aws.s3.external_id" = "theirs", "aws.s3.iam_role_arn" = "arn:aws:iam::123456789012:role/starrocks", "aws.s3.region" = "eu-central-1", "aws.s3.use_instance_profile" = "true")`,
	},
	{
		name: "S3 with a role for the worker and the plain instance profile for StarRocks",
		profile: `
location: s3://backups/starrocks
s3: {role: {arn: "arn:aws:iam::123456789012:role/worker"}}
starrocks: {instanceProfile: true, region: eu-west-1}`,
		store: storage.Config{Location: "s3://backups/starrocks", S3: storage.S3{Role: storage.Role{ARN: "arn:aws:iam::123456789012:role/worker"}}},
		create: `ON LOCATION "s3a://backups/starrocks" PROPERTIES (
"aws.s3.region" = "eu-west-1", "aws.s3.use_instance_profile" = "true")`,
	},
	{
		name:    "S3 with the default chain",
		profile: "location: s3://backups/starrocks",
		store:   storage.Config{Location: "s3://backups/starrocks"},
		create:  `ON LOCATION "s3a://backups/starrocks" PROPERTIES ("aws.s3.use_aws_sdk_default_behavior" = "true")`,
	},
	{
		name: "GCS with an HMAC key",
		profile: `
location: gs://backups/starrocks
gcs: {accessKey: env:ACCESS, secretKey: env:SECRET}`,
		store: storage.Config{Location: "gs://backups/starrocks", GCS: storage.GCS{AccessKey: "the-access-key", SecretKey: "the-secret-key"}},
		create: `ON LOCATION "s3a://backups/starrocks" PROPERTIES (
"fs.s3a.access.key" = "the-access-key", "fs.s3a.endpoint" = "storage.googleapis.com", "fs.s3a.secret.key" = "the-secret-key")`,
	},
	{
		name: "GCS with an HMAC key at another endpoint",
		profile: `
location: gs://backups/starrocks
gcs: {endpoint: "http://127.0.0.1:4444", accessKey: env:ACCESS, secretKey: env:SECRET}`,
		store: storage.Config{Location: "gs://backups/starrocks", GCS: storage.GCS{Endpoint: "http://127.0.0.1:4444", AccessKey: "the-access-key", SecretKey: "the-secret-key"}},
		create: `ON LOCATION "s3a://backups/starrocks" PROPERTIES (
"fs.s3a.access.key" = "the-access-key", "fs.s3a.connection.ssl.enabled" = "false", "fs.s3a.endpoint" = "http://127.0.0.1:4444", "fs.s3a.path.style.access" = "true",
"fs.s3a.secret.key" = "the-secret-key")`,
	},
	{
		name: "GCS with a service account, whose endpoint is not the one that StarRocks needs",
		profile: `
location: gs://backups/starrocks
gcs: {endpoint: "https://private.googleapis.com", serviceAccountFile: key.json, caFile: /ca.pem}
starrocks: {accessKey: env:SR_ACCESS, secretKey: env:SR_SECRET}`,
		store: storage.Config{Location: "gs://backups/starrocks", GCS: storage.GCS{Endpoint: "https://private.googleapis.com", ServiceAccountFile: "/etc/starkeep/key.json", CAFile: "/ca.pem"}},
		create: `ON LOCATION "s3a://backups/starrocks" PROPERTIES (
"fs.s3a.access.key" = "starrocks-access-key", "fs.s3a.endpoint" = "storage.googleapis.com", "fs.s3a.secret.key" = "starrocks-secret-key")`,
	},
	{
		name: "GCS with the application default credentials, StarRocks at an endpoint of its own",
		profile: `
location: gs://backups/starrocks
starrocks: {endpoint: "https://storage-ours.p.googleapis.com", accessKey: env:SR_ACCESS, secretKey: env:SR_SECRET}`,
		store: storage.Config{Location: "gs://backups/starrocks"},
		create: `ON LOCATION "s3a://backups/starrocks" PROPERTIES (
"fs.s3a.access.key" = "starrocks-access-key", "fs.s3a.connection.ssl.enabled" = "true", "fs.s3a.endpoint" = "https://storage-ours.p.googleapis.com",
"fs.s3a.path.style.access" = "true", "fs.s3a.secret.key" = "starrocks-secret-key")`,
	},
	{
		name: "HDFS with a user",
		profile: `
location: hdfs://nn.example.net:8020/backups/starrocks
hdfs: {user: hive}`,
		store:  storage.Config{Location: "hdfs://nn.example.net:8020/backups/starrocks", HDFS: storage.HDFS{User: "hive"}},
		create: `ON LOCATION "hdfs://nn.example.net:8020/backups/starrocks" PROPERTIES ("username" = "hive")`,
	},
	{
		name: "HDFS with two NameNodes, StarRocks with a user and properties of its own",
		profile: `
location: hdfs://ns1/backups
hdfs: {user: hive, nameNodes: ["nn1:8020", "nn2:8020"]}
starrocks: {user: starrocks, password: env:PASSWORD, properties: {dfs.client.use.datanode.hostname: "true", hadoop.security.authentication: simple}}`,
		store: storage.Config{Location: "hdfs://ns1/backups", HDFS: storage.HDFS{User: "hive", NameNodes: []string{"nn1:8020", "nn2:8020"}}},
		create: `ON LOCATION "hdfs://ns1/backups" PROPERTIES (
"dfs.client.use.datanode.hostname" = "true", "hadoop.security.authentication" = "simple", "password" = "the-password", "username" = "starrocks")`,
	},
	{
		name: "HDFS with Kerberos, which StarRocks reads from its own files",
		profile: `
location: hdfs://nn.example.net:8020/backups
hdfs: {kerberos: {principal: starkeep@EXAMPLE.NET, keytab: starkeep.keytab, config: krb5.conf, servicePrincipal: nn/_HOST, protection: privacy}}`,
		store: storage.Config{Location: "hdfs://nn.example.net:8020/backups", HDFS: storage.HDFS{Kerberos: storage.Kerberos{
			Principal: "starkeep@EXAMPLE.NET", Keytab: "/etc/starkeep/starkeep.keytab", Config: "/etc/starkeep/krb5.conf", ServicePrincipal: "nn/_HOST", Protection: "privacy"}}},
		create: `ON LOCATION "hdfs://nn.example.net:8020/backups"`,
	},
	{
		name:    "a directory",
		profile: "location: file:///srv/backups",
		store:   storage.Config{Location: "file:///srv/backups"},
		create:  `ON LOCATION "file:///srv/backups"`,
	},
}

func load(t *testing.T, profile string) (*Config, error) {
	t.Helper()
	text := "clusters: {prod: {addresses: [fe:9030], user: root}}\nrepositories:\n  main:"
	for line := range strings.Lines(strings.TrimSpace(profile)) {
		text += "\n    " + strings.TrimSuffix(line, "\n")
	}
	return parse([]byte(text), "/etc/starkeep")
}

func TestBothSidesAreDerivedFromOneProfile(t *testing.T) {
	for name, value := range secretsInEnvironment {
		t.Setenv(name, value)
	}
	fe := newRecorder(t)
	for _, test := range derived {
		t.Run(test.name, func(t *testing.T) {
			c, err := load(t, test.profile)
			if err != nil {
				t.Fatal(err)
			}
			r := c.Repositories["main"]
			store, err := r.Store()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.store, store); diff != "" {
				t.Errorf("the worker's way (-want +got):\n%s", diff)
			}
			properties, err := r.NativeProperties()
			if err != nil {
				t.Fatal(err)
			}
			want := "CREATE REPOSITORY `main` WITH BROKER " + strings.ReplaceAll(strings.ReplaceAll(test.create, "(\n", "("), "\n", " ")
			got := fe.create(t, starrocks.RepositoryStatement{Name: "main", Location: r.NativeLocation(), Properties: properties})
			if got != want {
				t.Errorf("StarRocks is told\n%s\nwant\n%s", got, want)
			}
			for _, text := range []string{r.Credential(), r.Kind()} {
				for _, secret := range secretsInEnvironment {
					if strings.Contains(text, secret) {
						t.Errorf("%q holds a secret", text)
					}
				}
			}
		})
	}
}

// recorder is an FE that takes every repository.
type recorder struct {
	sim    *starrockssim.Cluster
	client *starrocks.Client
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	dir := t.TempDir()
	sim, err := starrockssim.Start(starrockssim.Options{OpenStore: func(string, map[string]string) (storage.Store, error) {
		return storage.Open(context.Background(), storage.Config{Location: "file://" + dir})
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	client, err := starrocks.Open(starrocks.Config{Addresses: sim.Addresses(), User: "root"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return &recorder{sim, client}
}

// create sends the statement and gives its text as the FE got it.
func (r *recorder) create(t *testing.T, s starrocks.RepositoryStatement) string {
	t.Helper()
	if err := r.client.CreateRepository(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	sent := r.sim.Accepted("CREATE REPOSITORY")
	if err := r.sim.Exec("DROP REPOSITORY main"); err != nil {
		t.Fatal(err)
	}
	return sent[len(sent)-1].SQL
}

func TestCredentialsAreDescribedWithoutSecrets(t *testing.T) {
	for profile, want := range map[string]string{
		"location: s3://b/p": "AWS default chain",
		"location: s3://b/p\ns3: {accessKey: env:ACCESS, secretKey: env:SECRET}":                                            "access key",
		"location: s3://b/p\ns3: {instanceProfile: true}":                                                                   "instance profile",
		"location: s3://b/p\ns3: {instanceProfile: true, role: {arn: \"arn:aws:iam::1:role/x\"}}":                           "role arn:aws:iam::1:role/x, assumed with the instance profile",
		"location: gs://b/p\ngcs: {accessKey: env:ACCESS, secretKey: env:SECRET}":                                           "HMAC key",
		"location: gs://b/p\ngcs: {serviceAccountFile: /k.json}\nstarrocks: {accessKey: env:ACCESS, secretKey: env:SECRET}": "service account /k.json",
		"location: gs://b/p\nstarrocks: {accessKey: env:ACCESS, secretKey: env:SECRET}":                                     "application default credentials",
		"location: hdfs://nn:8020/d\nhdfs: {user: hive}":                                                                    "user hive",
		"location: hdfs://nn:8020/d": "user of the worker's process",
		"location: hdfs://nn:8020/d\nhdfs: {kerberos: {principal: a@B, keytab: /k}}": "principal a@B",
		"location: file:///d": "",
	} {
		c, err := load(t, profile)
		if err != nil {
			t.Errorf("%s: %v", profile, err)
			continue
		}
		if got := c.Repositories["main"].Credential(); got != want {
			t.Errorf("%s: %q, want %q", profile, got, want)
		}
	}
}

// What cannot work is refused with the key, its line and the fix.
func TestProfilesThatCannotWork(t *testing.T) {
	const keys = "accessKey: env:ACCESS, secretKey: env:SECRET"
	for name, test := range map[string]struct {
		profile string
		want    []string
	}{
		"s3 section of a gs location":         {"location: gs://b/p\ns3: {region: r}\ngcs: {" + keys + "}", []string{"repositories.main.s3 (line 5)", "s3:// and s3a:// locations only"}},
		"gcs section of an s3 location":       {"location: s3://b/p\ngcs: {endpoint: https://x}", []string{"main.gcs (line 5)", "gs:// locations only"}},
		"hdfs section of an s3 location":      {"location: s3://b/p\nhdfs: {user: u}", []string{"main.hdfs (line 5)", "hdfs:// locations only"}},
		"hdfs section of a directory":         {"location: file:///d\nhdfs: {nameNodes: [a:1]}", []string{"main.hdfs (line 5)"}},
		"StarRocks' user of an s3 location":   {"location: s3://b/p\nstarrocks: {user: u}", []string{"starrocks.user (line 5)", "hdfs:// locations only"}},
		"StarRocks' password for S3":          {"location: s3://b/p\nstarrocks: {password: env:X}", []string{"starrocks.password (line 5)"}},
		"StarRocks' keys of an hdfs location": {"location: hdfs://n:1/d\nstarrocks: {" + keys + "}", []string{"starrocks.accessKey (line 5)", "gs:// locations only"}},
		"StarRocks' role of a gs location":    {"location: gs://b/p\nstarrocks: {" + keys + ", role: {arn: \"arn:aws:iam::1:role/x\"}}", []string{"starrocks.role (line 5)"}},
		"StarRocks' profile of a directory":   {"location: file:///d\nstarrocks: {instanceProfile: true}", []string{"starrocks.instanceProfile (line 5)"}},
		"region of a gs location":             {"location: gs://b/p\nstarrocks: {" + keys + ", region: r}", []string{"starrocks.region (line 5)"}},
		"keys and instance profile":           {"location: s3://b/p\ns3: {" + keys + ", instanceProfile: true}", []string{"s3.instanceProfile (line 5)", "leave either"}},
		"StarRocks' keys and profile":         {"location: s3://b/p\nstarrocks: {" + keys + ", instanceProfile: true}", []string{"starrocks.instanceProfile (line 5)", "leave either"}},
		"token without keys":                  {"location: s3://b/p\ns3: {sessionToken: env:T}", []string{"s3.sessionToken (line 5)", "belongs to an accessKey"}},
		"temporary keys for StarRocks":        {"location: s3://b/p\ns3: {" + keys + ", sessionToken: env:T}", []string{"starrocks.accessKey", "temporary", "starrocks section"}},
		"external id without role":            {"location: s3://b/p\ns3: {role: {externalId: x}}", []string{"s3.role.arn (line 5)", "name the role"}},
		"session name without role":           {"location: s3://b/p\ns3: {role: {sessionName: x}}", []string{"s3.role.arn (line 5)", "name the role"}},
		"a role that is none":                 {"location: s3://b/p\ns3: {role: {arn: backup}}", []string{"s3.role.arn (line 5)", "arn:aws:iam::"}},
		"STS' endpoint":                       {"location: s3://b/p\ns3: {role: {arn: \"arn:aws:iam::1:role/x\", endpoint: sts}}", []string{"s3.role.endpoint (line 5)", "https://host:port"}},
		"no prefix":                           {"location: s3://b", []string{"main.location (line 4)", "prefix below the bucket"}},
		"no prefix on StarRocks' side":        {"location: s3://b/p\nstarrocks: {location: s3a://b}", []string{"prefix below the bucket"}},
		"a port in the bucket's place":        {"location: s3://127.0.0.1:9000/b/p", []string{"location (line 4)", "endpoint"}},
		"two slashes":                         {"location: s3://b/p//q", []string{"location (line 4)", "leave out //"}},
		"gs without bucket":                   {"location: gs:///p\ngcs: {" + keys + "}", []string{"location (line 4)", "bucket is missing"}},
		"half of an HMAC key":                 {"location: gs://b/p\ngcs: {accessKey: env:A}", []string{"gcs.accessKey (line 5)", "together"}},
		"service account and HMAC key":        {"location: gs://b/p\ngcs: {" + keys + ", serviceAccountFile: k}", []string{"gcs.serviceAccountFile (line 5)", "starrocks section"}},
		"service account alone":               {"location: gs://b/p\ngcs: {serviceAccountFile: k}", []string{"starrocks.accessKey", "HMAC key", "starrocks section"}},
		"application default alone":           {"location: gs://b/p", []string{"starrocks.accessKey", "HMAC key"}},
		"NameNodes and a port":                {"location: hdfs://nn:8020/d\nhdfs: {nameNodes: [a:1, b:1]}", []string{"hdfs.nameNodes (line 5)", "nameservice"}},
		"neither NameNodes nor a port":        {"location: hdfs://ns1/d", []string{"hdfs.nameNodes (line 3)", "host:port"}},
		"a NameNode without port":             {"location: hdfs://ns1/d\nhdfs: {nameNodes: [a, b:1]}", []string{"hdfs.nameNodes[0] (line 5)", "host:port"}},
		"hdfs without directory":              {"location: hdfs://nn:8020", []string{"location (line 4)", "directory is missing"}},
		"hdfs without host":                   {"location: hdfs:///d", []string{"location (line 4)", "hdfs://host:port/dir"}},
		"principal without keytab":            {"location: hdfs://nn:1/d\nhdfs: {kerberos: {principal: a@B}}", []string{"hdfs.kerberos.principal (line 5)", "together"}},
		"protection without principal":        {"location: hdfs://nn:1/d\nhdfs: {kerberos: {protection: privacy}}", []string{"hdfs.kerberos.principal (line 5)", "together"}},
		"principal without realm":             {"location: hdfs://nn:1/d\nhdfs: {kerberos: {principal: a, keytab: k}}", []string{"hdfs.kerberos.principal (line 5)", "user@REALM"}},
		"principal and user":                  {"location: hdfs://nn:1/d\nhdfs: {user: u, kerberos: {principal: a@B, keytab: k}}", []string{"hdfs.kerberos.principal (line 5)", "leave hdfs.user out"}},
		"unknown protection":                  {"location: hdfs://nn:1/d\nhdfs: {kerberos: {principal: a@B, keytab: k, protection: full}}", []string{"hdfs.kerberos.protection (line 5)", "privacy"}},
		"nameservices for StarRocks":          {"location: hdfs://nn:1/d\nstarrocks: {properties: {dfs.nameservices: ns1}}", []string{"starrocks.properties (line 5)", "hdfs-site.xml"}},
		"Kerberos for StarRocks":              {"location: hdfs://nn:1/d\nstarrocks: {properties: {hadoop.security.authentication: kerberos}}", []string{"starrocks.properties (line 5)", "core-site.xml"}},
		"a keytab in clear":                   {"location: hdfs://nn:1/d\nstarrocks: {properties: {kerberos_keytab_content: abc}}", []string{"starrocks.properties (line 5)", "secret in clear"}},
		"a property that is a key of ours":    {"location: s3://b/p\nstarrocks: {properties: {aws.s3.use_instance_profile: \"true\"}}", []string{"starrocks.properties (line 5)", "starrocks.instanceProfile"}},
		"another kind on StarRocks' side":     {"location: hdfs://nn:1/d\nstarrocks: {location: s3://b/p}", []string{"starrocks.location (line 5)", "another kind"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, test.profile)
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

// Hadoop's own switches and paths speak of secrets and are none.
func TestPropertiesThatOnlySpeakOfSecretsPass(t *testing.T) {
	for key, value := range map[string]string{
		"dfs.block.access.token.enable": "true", "hadoop.security.token.service.use_ip": "false", "kerberos_principal": "hive@EXAMPLE.NET", "kerberos_keytab": "/etc/hive.keytab",
		"fs.s3a.aws.credentials.provider": "com.amazonaws.auth.InstanceProfileCredentialsProvider", "hadoop.security.credential.provider.path": "jceks://file/x",
		"dfs.client.use.datanode.hostname": "true",
	} {
		if reason := badProperty(key, value); reason != "" {
			t.Errorf("%s %s", key, reason)
		}
	}
	for _, key := range []string{"aws.s3.session_token", "FS.S3A.SESSION.TOKEN", "azure.blob.shared_access_secret", "fs.oss.accessKeySecret", "kerberos_keytab_content"} {
		if badProperty(key, "x") == "" {
			t.Errorf("%s is passed through", key)
		}
	}
}

// All files and variables that cannot be had are named at once.
func TestMissingKeyFilesAreNamed(t *testing.T) {
	for profile, want := range map[string]string{
		"location: gs://b/p\ngcs: {serviceAccountFile: none.json}\nstarrocks: {accessKey: env:NONE_A, secretKey: env:NONE_S}": "gcs.serviceAccountFile: open /etc/starkeep/none.json",
		"location: hdfs://nn:1/d\nhdfs: {kerberos: {principal: a@B, keytab: none.keytab}}":                                    "hdfs.kerberos.keytab: open /etc/starkeep/none.keytab",
		"location: hdfs://nn:1/d\nstarrocks: {password: env:NONE_P}":                                                          "starrocks.password: secret env:NONE_P",
		"location: gs://b/p\ngcs: {accessKey: env:NONE_A, secretKey: env:NONE_S}":                                             "gcs.secretKey: secret env:NONE_S",
	} {
		c, err := load(t, profile)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CheckSecrets(); err == nil || !strings.Contains(err.Error(), "repositories.main."+want) {
			t.Errorf("%s: %v, want %q", profile, err, want)
		}
	}
}
