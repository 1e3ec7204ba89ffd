package xmpp

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write docs/protocols.md anew")

func TestProtocolsPage(t *testing.T) {
	const file = "../docs/protocols.md"
	want := ProtocolsPage()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what xmpp/protocols.go says; run go test ./xmpp -run TestProtocolsPage -update (%v)", file, err)
	}
}
