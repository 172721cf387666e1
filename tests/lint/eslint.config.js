// What the page and the tests may not do. Few rules: those that find faults, and the length of a line of the page.

import globals from "globals";

export default [
  { ignores: ["**/node_modules/", "build*/"] },
  {
    files: ["web/**/*.js", "tests/**/*.mjs", "tests/**/*.js"],
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "no-const-assign": "error",
      "no-dupe-keys": "error",
      "no-undef": "error",
      "no-unreachable": "error",
      "no-unsafe-finally": "error",
      "no-unused-vars": ["error", { ignoreRestSiblings: true }],
      "no-useless-catch": "error",
      "no-var": "error",
      "prefer-const": "error",
      "use-isnan": "error",
    },
  },
  {
    files: ["web/**/*.js"],
    languageOptions: { globals: { ...globals.browser, applyTheme: "readonly" } }, // theme.js
    rules: { "max-len": ["error", { code: 120 }] },
  },
  { files: ["web/theme.js"], languageOptions: { sourceType: "script" } },
  { files: ["tests/**/*.mjs", "tests/**/*.js"], languageOptions: { globals: globals.node } },
  {
    files: ["tests/**/*.mjs"],
    ignores: ["tests/e2e/until.mjs"],
    rules: {
      "no-restricted-syntax": ["error", ...[
        "DoWhileStatement:has(AwaitExpression)", "WhileStatement:has(CallExpression[callee.name='sleep'])",
        "ForStatement > AwaitExpression.update",
      ].map((selector) => ({ selector, message: "A loop that waits is until() of e2e/until.mjs." }))],
    },
  },
  { files: ["tests/e2e/{browser,look,views}.mjs", "tests/e2e/page/*.mjs", "tests/bench/page.mjs"], languageOptions: { globals: globals.browser } }, // run in it, in parts
];
