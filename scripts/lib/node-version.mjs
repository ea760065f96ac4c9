// Runs before anything else, and on any Node from 12 on (older systems get such versions from
// `apt-get install nodejs`), so that an old Node gets a sentence and not a SyntaxError. Use no
// newer syntax here, nor in the scripts that import it.

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  process.stderr.write(
    `athanor needs Node.js 20.19 or newer, and this is ${process.versions.node}. Install a newer one with:\n` +
      '  sudo apt-get install -y npm && sudo npm install --global n && sudo n 22\n' +
      'then open a new shell and run the same command again.\n',
  );
  process.exit(1);
}

/** Runs a script's main function. A failure that explains itself is printed without its stack. */
export function runScript(load) {
  requireNode();
  load().catch((error) => {
    process.stderr.write(`${error.explained ? error.message : error.stack}\n`);
    process.exit(1);
  });
}
