package activities

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// policy says what the store of a repository must allow for some purposes; none means all.
func (a *Activities) policy(repository string, purposes []string) (*spec.Policy, error) {
	r, err := a.storeOf("repository", repository)
	if err != nil {
		return nil, err
	}
	if len(purposes) == 0 {
		purposes = spec.Policies()
		if r.mirror {
			purposes = []string{spec.PolicyMirror, spec.PolicyPrune}
		}
	}
	p := &spec.Policy{Repository: r.Name, Location: r.Location, For: purposes}
	switch place := r.place(); place.kindOf() {
	case KindS3:
		err = place.iamPolicy(p)
	case KindGCS:
		err = place.gcsRole(p)
	case KindHDFS:
		place.hdfsCommands(p, hdfsOwner(r))
	default:
		place.fileCommands(p)
	}
	if notes := mirrorNotes[r.place().kindOf()]; r.mirror && notes != "" {
		p.Notes = []string{notes}
	}
	return p, err
}

// mirrorNotes are for who makes the directory of a mirror.
var mirrorNotes = map[Kind]string{
	KindHDFS: "Run them as HDFS' superuser. WORKER_USER is hdfs.user of the profile: only workers go to a mirror.",
	KindFile: "USER runs the worker: only workers go to a mirror.",
}

// hdfsOwner is the user whom the directory must belong to.
func hdfsOwner(r *Repository) string {
	if r.mirror {
		return "WORKER_USER"
	}
	return starrocksUser(r)
}

// starrocksUser is the user name under which StarRocks goes to HDFS; "" if the profile says none.
func starrocksUser(r *Repository) string {
	properties, err := r.properties()
	if err != nil {
		return ""
	}
	return properties["username"]
}

// iamGrant is one action on one resource, and what needs it.
type iamGrant struct{ action, resource, purpose string }

// iamGrants are the least that each purpose needs of S3 (starrocks-measured, part C §3). Listing is not bound to a
// prefix: not every server tells who may list only below one that an object is absent, and both sides ask that.
func (p Place) iamGrants() []iamGrant {
	at := locationParts(p.Location)
	bucket := "arn:aws:s3:::" + at.bucket
	object := func(below string) string { return "arn:aws:s3:::" + at.objects(below) }
	own := object(strings.TrimSuffix(restorepoint.Root, "v1/") + "*")
	all := object("*")
	// What Prepare writes beside a snapshot and Tidy removes, and the snapshots that are composed for a while.
	native := starrocks.RepositoryPrefix(p.Native)
	temporary := []string{object(native + "__ss_*/__info_*"), object(native + "__ss_" + BesidePrefix + "*"), object(native + "__ss_" + restorepoint.ComposedPrefix + "*")}

	var list []iamGrant
	add := func(purpose, actions string, resources ...string) {
		for _, action := range strings.Fields(actions) {
			for _, r := range resources {
				list = append(list, iamGrant{"s3:" + action, r, purpose})
			}
		}
	}
	const put = "PutObject AbortMultipartUpload" // parts of an upload that failed take space until it is aborted
	for _, purpose := range spec.Policies() {
		add(purpose, "ListBucket", bucket)
		add(purpose, "GetObject", all)
	}
	add(spec.PolicyBackup, put, own)
	add(spec.PolicyRestore, put, append(temporary, own)...)
	add(spec.PolicyRestore, "DeleteObject", temporary...)
	add(spec.PolicyMirror, put, all)
	add(spec.PolicyPrune, put, own)
	add(spec.PolicyPrune, "DeleteObject", all)
	add(spec.PolicyStarRocks, put+" DeleteObject", all)
	return list
}

// iamStatement is a statement of an IAM policy.
type iamStatement struct {
	Sid      string
	Effect   string
	Action   []string
	Resource []string
}

type iamDocument struct {
	Version   string
	Statement []iamStatement
}

// iamPolicy writes the policy in few words: a user's own policies must not have more than 2,048 characters together.
func (p Place) iamPolicy(out *spec.Policy) error {
	wanted := slices.DeleteFunc(p.iamGrants(), func(g iamGrant) bool { return !slices.Contains(out.For, g.purpose) })
	actions := map[string][]string{} // on a resource
	for _, g := range wanted {
		wider := slices.ContainsFunc(wanted, func(w iamGrant) bool {
			return w.action == g.action && w.resource != g.resource && covers(w.resource, g.resource)
		})
		if !wider && !slices.Contains(actions[g.resource], g.action) {
			actions[g.resource] = append(actions[g.resource], g.action)
		}
	}
	document := iamDocument{Version: "2012-10-17"}
	for _, resource := range sortedNames(actions) {
		slices.Sort(actions[resource])
		at := slices.IndexFunc(document.Statement, func(s iamStatement) bool { return slices.Equal(s.Action, actions[resource]) })
		if at < 0 {
			at = len(document.Statement)
			document.Statement = append(document.Statement, iamStatement{Sid: fmt.Sprintf("Starkeep%d", at+1), Effect: "Allow", Action: actions[resource]})
		}
		document.Statement[at].Resource = append(document.Statement[at].Resource, resource)
	}
	var err error
	out.Document, err = json.Marshal(document)
	out.Commands = []string{fmt.Sprintf("aws iam put-user-policy --user-name USER --policy-name starkeep-%[1]s --policy-document file://policy.json", p.Repository),
		fmt.Sprintf("aws iam put-role-policy --role-name ROLE --policy-name starkeep-%s --policy-document file://policy.json", p.Repository)}
	out.Notes = []string{"With a key of KMS on the bucket, kms:Decrypt and kms:GenerateDataKey on that key are needed too."}
	if slices.Contains(out.For, spec.PolicyStarRocks) {
		out.Notes = append(out.Notes, "FE and BEs write below the location: StarRocks deletes *.part there, and never ends a BACKUP without that right.")
	}
	return err
}

// covers tells whether a resource that ends in * takes in another.
func covers(wide, narrow string) bool {
	stem, open := strings.CutSuffix(wide, "*")
	return wide == narrow || open && !strings.Contains(stem, "*") && strings.HasPrefix(narrow, stem)
}

// gcsRole writes a custom role. Overwriting an object takes the right to delete it there.
func (p Place) gcsRole(out *spec.Policy) error {
	permissions := []string{"storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list"}
	if slices.Contains(out.For, spec.PolicyStarRocks) { // through the S3-compatible API
		permissions = append(permissions, "storage.multipartUploads.abort", "storage.multipartUploads.create", "storage.multipartUploads.listParts")
	}
	slices.Sort(permissions)
	bucket := "gs://" + locationParts(p.Location).bucket
	var err error
	out.Document, err = json.Marshal(struct {
		Title               string   `json:"title"`
		Stage               string   `json:"stage"`
		IncludedPermissions []string `json:"includedPermissions"`
	}{"starkeep " + p.Repository, "GA", permissions})
	out.Commands = []string{
		"gcloud iam roles create starkeep --project PROJECT --file policy.json",
		fmt.Sprintf("gcloud storage buckets add-iam-policy-binding %s --member serviceAccount:ACCOUNT --role projects/PROJECT/roles/starkeep", bucket),
	}
	out.Notes = []string{fmt.Sprintf("The predefined role roles/storage.objectUser on %s has all of it.", bucket)}
	if slices.Contains(out.For, spec.PolicyStarRocks) {
		out.Commands = append(out.Commands, "gcloud storage hmac create ACCOUNT")
		out.Notes = append(out.Notes, "FE and BEs use an HMAC key of the service account: its rights are the account's.")
	}
	return err
}

func (p Place) hdfsCommands(out *spec.Policy, starrocksUser string) {
	if starrocksUser == "" {
		starrocksUser = "STARROCKS_USER"
	}
	out.Commands = []string{
		"hdfs dfs -mkdir -p " + p.Location,
		fmt.Sprintf("hdfs dfs -chown -R %s %s", starrocksUser, p.Location),
		"hdfs dfs -chmod -R 700 " + p.Location,
	}
	out.Notes = []string{
		"Run them as HDFS' superuser. FE and BEs write as the user of starrocks.user, the worker as hdfs.user: give both the same name.",
		"Two users need a group of both (-chown -R USER:GROUP, -chmod -R 770), and fs.permissions.umask-mode 007 on either side.",
	}
}

func (p Place) fileCommands(out *spec.Policy) {
	directory := strings.TrimPrefix(p.Location, "file://")
	out.Commands = []string{"mkdir -p " + directory, "chown -R USER " + directory, "chmod -R 700 " + directory}
	out.Notes = []string{"USER runs the worker; FE and BEs need the same directory, mounted there, with the same rights."}
}
