package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

// docPages are the pages, each with servers of its kind. What a page calls them is replaced by what they are here.
func docPages(t *testing.T) []docPage {
	t.Helper()
	directory := t.TempDir()
	return slices.Concat(
		awsPages(t), gcsPages(t), hdfsPages(t),
		[]docPage{{file: "directory.md", here: []string{"/mnt/backups", directory}}},
	)
}

// There is no AWS here: a server with IAM policies stands in, at an address of its own.
const docRegion = "      region: eu-central-1\n"

func atServer(s storagetest.Server) string {
	return "      region: " + s.Region + "\n      endpoint: " + s.Endpoint + "\n      pathStyle: true\n"
}

func awsPages(t *testing.T) []docPage {
	t.Helper()
	server := storagetest.StartS3IAM(t)
	aws := newDocAWS(t, server)
	here := func(page string, more ...string) []string {
		return append(more, "my-backups/starrocks", server.Bucket+"/"+page, "my-backups", server.Bucket, docRegion, atServer(server.Server))
	}
	worker, starrocks := server.User(t, "starkeep", ""), server.User(t, "starrocks", "")
	keys := docPage{file: "s3-access-key.md", here: here("keys",
		"<access key id of starkeep>", worker.AccessKey, "<secret access key of starkeep>", worker.SecretKey,
		"<access key id of starrocks>", starrocks.AccessKey, "<secret access key of starrocks>", starrocks.SecretKey,
	), tools: aws.tools(map[string]storagetest.IAMUser{"starkeep": worker, "starrocks": starrocks})}

	// FE and BEs are in this process, the worker is in another one: each has the metadata service of its machine.
	own := storagetest.StartIMDS(t, aws.machines["starkeep-machine"].Server)
	storagetest.StartIMDS(t, aws.machines["starrocks-machines"].Server)
	env := []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + own.Endpoint, "AWS_EC2_METADATA_DISABLED=false"}
	profile := docPage{file: "s3-instance-profile.md", env: env, here: here("profile"), tools: aws.tools(aws.machines)}

	role := server.User(t, "role", "")
	aws.sts = storagetest.StartSTS(t, role.Server, storagetest.RoleRule{})
	location := "    location: s3://my-backups/starrocks\n"
	assumed := docPage{file: "s3-assumed-role.md", env: env, tools: aws.tools(map[string]storagetest.IAMUser{"starkeep": role}), here: here("role",
		location, "    location: s3://"+server.Bucket+"/role\n    starrocks:\n      properties: {aws.s3.sts.endpoint: \""+aws.sts.Endpoint+"\"}\n",
		"        externalId: backup-2026\n", "        externalId: backup-2026\n        endpoint: "+aws.sts.Endpoint+"\n",
	)}
	return []docPage{keys, profile, assumed}
}

// docAWS does what `aws iam` would: policies count for what they say.
type docAWS struct {
	machines map[string]storagetest.IAMUser // the roles of machines
	sts      *storagetest.STS
	trust    storagetest.RoleRule // of the role that is assumed; its Principals are names
	assuming []string             // machines whose own policy lets them assume it
}

func newDocAWS(t *testing.T, server *storagetest.IAMServer) *docAWS {
	a := &docAWS{machines: map[string]storagetest.IAMUser{}}
	for _, name := range []string{"starkeep-machine", "starrocks-machines"} {
		a.machines[name] = server.User(t, name, "")
	}
	return a
}

// tools gives the page's users and roles the policies that it gives them.
func (a *docAWS) tools(users map[string]storagetest.IAMUser) map[string]func(*testing.T, string, []string) {
	return map[string]func(*testing.T, string, []string){"aws": func(t *testing.T, dir string, args []string) {
		t.Helper()
		flag := flagsOf(args)
		name := flag["--user-name"] + flag["--role-name"]
		switch strings.Join(args[:2], " ") {
		case "iam put-user-policy", "iam put-role-policy":
			policy := fileOf(t, dir, flag["--policy-document"])
			user, own := users[name]
			switch {
			case strings.Contains(policy, "sts:AssumeRole"):
				a.assuming = append(a.assuming, name)
				a.tellSTS(t, policy)
			case own:
				user.SetPolicy(t, policy)
			default:
				t.Fatalf("aws %q: the page has no such user or role", args)
			}
		case "iam create-role":
			a.create(t, name, fileOf(t, dir, flag["--assume-role-policy-document"]))
		default:
			t.Fatalf("aws %q is not known here", args)
		}
	}}
}

// create makes the role that is assumed, as its trust policy says.
func (a *docAWS) create(t *testing.T, name, policy string) {
	t.Helper()
	var trust struct {
		Statement []struct {
			Effect    string
			Action    string
			Principal struct{ AWS []string }
			Condition struct {
				StringEquals map[string]string
			}
		}
	}
	if err := json.Unmarshal([]byte(policy), &trust); err != nil {
		t.Fatalf("trust policy: %v\n%s", err, policy)
	}
	s := trust.Statement[0]
	if s.Effect != "Allow" || s.Action != "sts:AssumeRole" {
		t.Fatalf("the trust policy lets nobody assume the role:\n%s", policy)
	}
	a.trust = storagetest.RoleRule{ARN: "arn:aws:iam::123456789012:role/" + name, ExternalID: s.Condition.StringEquals["sts:ExternalId"], Principals: s.Principal.AWS}
}

// tellSTS lets those assume the role whom both policies let.
func (a *docAWS) tellSTS(t *testing.T, policy string) {
	t.Helper()
	if !strings.Contains(policy, `"`+a.trust.ARN+`"`) {
		t.Fatalf("the policy is for another role than %s:\n%s", a.trust.ARN, policy)
	}
	rule := a.trust
	rule.Principals = []string{"nobody"}
	for _, name := range a.assuming {
		if slices.Contains(a.trust.Principals, "arn:aws:iam::123456789012:role/"+name) {
			rule.Principals = append(rule.Principals, a.machines[name].AccessKey)
		}
	}
	a.sts.Trust(rule)
}

func gcsPages(t *testing.T) []docPage {
	t.Helper()
	const (
		bucket  = "my-backups"
		section = "    gcs:\n"
		keyFile = "/etc/starkeep/service-account.json"
		member  = "serviceAccount:starkeep@my-project.iam.gserviceaccount.com"
	)
	at := func(endpoint string) string { return section + "      endpoint: " + endpoint + "\n" }
	tools := func(allow func(*testing.T, []string)) map[string]func(*testing.T, string, []string) {
		roles := map[string][]string{}
		return map[string]func(*testing.T, string, []string){"gcloud": func(t *testing.T, dir string, args []string) {
			t.Helper()
			flag := flagsOf(args)
			switch strings.Join(args[:3], " ") {
			case "iam roles create":
				var role struct{ IncludedPermissions []string }
				if err := json.Unmarshal([]byte(fileOf(t, dir, flag["--file"])), &role); err != nil {
					t.Fatal(err)
				}
				roles["projects/"+flag["--project"]+"/roles/"+args[3]] = role.IncludedPermissions
			case "storage buckets add-iam-policy-binding":
				if flag["--member"] != member || roles[flag["--role"]] == nil {
					t.Fatalf("gcloud %q: another account or role than the page's", args)
				}
				allow(t, roles[flag["--role"]])
			default:
				t.Fatalf("gcloud %q is not known here", args)
			}
		}}
	}

	// No server has both of Google's APIs: StarRocks goes to the one of the worker.
	gcs := storagetest.StartGCS(t)
	account := gcs.User(t, "starkeep")
	native := func() (storage.Store, error) { return storage.Open(t.Context(), gcs.Config("starrocks")) }
	both := docPage{file: "gcs.md", native: native, tools: tools(func(t *testing.T, permissions []string) { gcs.User(t, "starkeep", permissions...) }),
		here: []string{section, at(gcs.Endpoint), bucket, gcs.Bucket, keyFile, account.KeyFile, "<access id of the HMAC key>", "GOOG1EPAGE", "<secret of the HMAC key>", "PageHMACSecret"}}

	proxy := storagetest.StartGCSHMAC(t)
	key := proxy.User(t, "page-hmac")
	hmac := docPage{file: "gcs.md", way: 1, tools: tools(func(t *testing.T, permissions []string) { key.Allow(t, s3Actions(permissions)...) }),
		here: []string{section, at(key.Endpoint), bucket, key.Bucket, "<access id of the HMAC key>", key.AccessKey, "<secret of the HMAC key>", key.SecretKey}}
	return []docPage{both, hmac}
}

// s3Actions are what the server behind the HMAC proxy calls Google's permissions.
func s3Actions(permissions []string) []string {
	names := map[string]string{
		"storage.objects.list": "s3:ListBucket", "storage.objects.get": "s3:GetObject", "storage.objects.create": "s3:PutObject",
		"storage.objects.delete": "s3:DeleteObject", "storage.multipartUploads.abort": "s3:AbortMultipartUpload", "storage.multipartUploads.listParts": "s3:ListMultipartUploadParts",
	}
	var list []string
	for _, p := range permissions {
		if names[p] != "" {
			list = append(list, names[p])
		}
	}
	return list
}

// hdfsPages use one NameNode. Of the pair only the first one is there.
func hdfsPages(t *testing.T) []docPage {
	t.Helper()
	hdfs := storagetest.StartHDFS(t)
	bin := t.TempDir()
	script(t, bin, "hdfs", `shift; exec `+shellQuote(storagetest.HDFSCommand(t)...)+` "$@"`) // hdfs dfs …
	dir := func(way string) string { return "/pages/" + way + "/backups" }
	one := docPage{file: "hdfs.md", bin: bin, here: []string{"nn.example.net:8020/backups", hdfs.Address + dir("one")}}
	pair := docPage{file: "hdfs.md", way: 1, bin: bin, here: []string{"nn1.example.net:8020", hdfs.Address, "nn2.example.net:8020", "127.0.0.1:1", "ns1/backups", "ns1" + dir("pair")}}
	pair.native = func() (storage.Store, error) {
		return storage.Open(t.Context(), hdfs.Config(dir("pair")+"/starrocks", "starkeep"))
	}
	return []docPage{one, pair}
}

func shellQuote(words ...string) string {
	for i, w := range words {
		words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(words, " ")
}

// flagsOf reads --name value pairs.
func flagsOf(args []string) map[string]string {
	flags := map[string]string{}
	for i := range args {
		if strings.HasPrefix(args[i], "--") && i+1 < len(args) {
			flags[args[i]] = args[i+1]
		}
	}
	return flags
}

// fileOf reads a file that a page's earlier lines have made.
func fileOf(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, strings.TrimPrefix(name, "file://")))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
