package house

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// pinnedTag is a tag with a version in it: 17.6-alpine, 1.32.0, RELEASE.2025-09-07T16-13-09Z.
var pinnedTag = regexp.MustCompile(`^v?\d+\.\d+|\d{4}-\d{2}-\d{2}`)

// secretName matches environment variables whose value must not stand in the file.
var secretName = regexp.MustCompile(`(?i)password|secret|token|pwd|access_?key|credential`)

type composeFile struct {
	Services map[string]struct {
		Image       string            `yaml:"image"`
		Build       any               `yaml:"build"`
		Ports       []string          `yaml:"ports"`
		Environment map[string]string `yaml:"environment"`
		NetworkMode string            `yaml:"network_mode"`
	} `yaml:"services"`
}

func TestComposeFileIsPinnedAndOnLoopback(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file composeFile
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "temporal", "ui", "worker"} {
		if _, found := file.Services[name]; !found {
			t.Errorf("service %s is missing", name)
		}
	}
	for name, service := range file.Services {
		if service.Build == nil {
			checkPinned(t, name, service.Image)
		}
		if service.NetworkMode == "host" {
			t.Errorf("%s: network_mode host publishes every port", name)
		}
		for _, port := range service.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s publishes %q; write 127.0.0.1:%s", name, port, port)
			}
		}
		for key, value := range service.Environment {
			if secretName.MatchString(key) && !strings.HasPrefix(value, "${") {
				t.Errorf("%s: %s stands in the file; refer to .env: ${%s:?set it in .env}", name, key, key)
			}
		}
	}
}

func TestDockerfileIsPinned(t *testing.T) {
	file, err := os.Open(filepath.Join(root, "deploy", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	images := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == "FROM" {
			images++
			checkPinned(t, "Dockerfile", fields[1])
		}
	}
	if images == 0 {
		t.Error("no FROM line found")
	}
}

// The compose file, the standalone module and the Go toolchain of the image must agree on versions where they can.
func TestVersionsAgree(t *testing.T) {
	read := func(path ...string) string {
		data, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	find := func(what, pattern, text string) string {
		match := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if match == nil {
			t.Fatalf("%s: nothing matches %s", what, pattern)
		}
		return match[1]
	}
	compose := find("docker-compose.yml", `temporalio/server:(\d+\.\d+)\.`, read("docker-compose.yml"))
	tools := find("docker-compose.yml", `temporalio/admin-tools:(\d+\.\d+)\.`, read("docker-compose.yml"))
	standalone := find("deploy/standalone/go.mod", `go\.temporal\.io/server v(\d+\.\d+)\.`, read("deploy", "standalone", "go.mod"))
	if compose != standalone || tools != standalone {
		t.Errorf("Temporal server %s and admin-tools %s in docker-compose.yml, server %s in deploy/standalone", compose, tools, standalone)
	}
	root, nested := `go\.temporal\.io/sdk (v\S+)`, read("deploy", "standalone", "go.mod")
	if a, b := find("go.mod", root, read("go.mod")), find("deploy/standalone/go.mod", root, nested); a != b {
		t.Errorf("Temporal SDK %s in go.mod, %s in deploy/standalone/go.mod", a, b)
	}
}

func checkPinned(t *testing.T, where, image string) {
	t.Helper()
	slash := strings.LastIndex(image, "/")
	_, tag, found := strings.Cut(image[slash+1:], ":")
	if !found || !pinnedTag.MatchString(tag) {
		t.Errorf("%s: image %q is not pinned; name a version as its tag", where, image)
	}
}
